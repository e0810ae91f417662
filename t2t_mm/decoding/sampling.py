"""Sampling: an id is drawn at random at every position.

The random numbers of a row are a function of (the row's key, position, id), by the integer hash of `layers/forward.py`.
So a row's samples do not depend on the rest of its batch. B rows, T positions, V symbols, D channels, K candidates.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from t2t_mm.data import keyed_rng
from t2t_mm.decoding.answers import Sampling
from t2t_mm.decoding.autoregressive_loop import autoregressive_loop, max_and_argmax
from t2t_mm.layers.forward import mix, u32

TOP_P_TOLERANCE = 1e-6  # a set of ids reaches top_p if its total probability is at most this much below it
MIN_TOP_P = 1e-30


def sample(
    net: Any, problem: str, state: Any, x_B1D: Any, limits_B: Any, positions: int, keys_B2: Any, sampling: Sampling
) -> tuple[Any, Any]:
    """Draw each row's ids until it ends.

    Args:
        keys_B2: uint32, the key of each row; see `keys`. They contain `sampling.seed`.

    The other arguments and the results are those of `autoregressive_loop`. The log-probabilities are the model's own,
    at temperature 1.
    """

    def choose(t: Any, log_probs_BV: Any) -> tuple[Any, Any]:
        return draw(log_probs_BV, t, keys_B2, sampling)

    return autoregressive_loop(net, problem, state, x_B1D, limits_B, positions, choose)


def keys(seed: int, places: Sequence[int], samples: int) -> np.ndarray:
    """Return the key of each sample of each input, uint32[B, samples, 2]. `places` are the indices of the inputs."""
    drawn = [
        [keyed_rng.generator(seed, "sample", place, k).integers(2**32, size=2, dtype=np.uint32) for k in range(samples)]
        for place in places
    ]
    return np.array(drawn, np.uint32).reshape(len(places), samples, 2)


def draw(log_probs_BV: Any, t: Any, keys_B2: Any, sampling: Sampling) -> tuple[Any, Any]:
    """Draw one id for each row. Return (log-probability, float32[B]; id, int32[B]).

    The argmax of log-probability / temperature + Gumbel noise is distributed as softmax(log-probability / temperature),
    over all ids or over any subset (Gumbel 1954; Maddison et al. 2014, arXiv 1411.0030). For `top_k` and `top_p`, ids
    are ranked by probability, and equal ones by number, the lower first. `top_p` is compared with probabilities that
    are normalised over the `top_k` ids.
    """
    rows, symbols = log_probs_BV.shape
    scaled_BK = log_probs_BV / sampling.temperature
    ids_BK = ops.broadcast_to(ops.arange(symbols, dtype="int32"), (rows, symbols))
    if 0 < sampling.top_k < symbols:
        scaled_BK, ids_BK = ops.top_k(scaled_BK, sampling.top_k)  # of equal values the lower id first
        ids_BK = ops.cast(ids_BK, "int32")
    noisy_BK = scaled_BK + gumbel(keys_B2, t, ids_BK)
    if sampling.top_p < 1:
        place_B = top_p_argmax(noisy_BK, scaled_BK, sampling.top_p)
    else:
        place_B = max_and_argmax(noisy_BK)[1]
    id_B1 = ops.take_along_axis(ids_BK, place_B[:, None], axis=1)
    return ops.take_along_axis(log_probs_BV, id_B1, axis=1)[:, 0], id_B1[:, 0]


def top_p_argmax(noisy_BK: Any, scaled_BK: Any, top_p: float) -> Any:
    """Return the argmax of each row of `noisy_BK` within the nucleus of `top_p`, int32[B].

    The nucleus is the smallest set of top-ranked places of softmax(scaled_BK) whose total probability reaches `top_p`.
    A place is in it if the places ranked before it do not reach `top_p`. So the argmax over all places is taken; while
    it is outside the nucleus, it is removed with all places ranked after it, and the next argmax is taken. This needs
    no sorting of 8,000 places, which would take thirty times as long.
    """
    probability_BK = ops.softmax(scaled_BK, axis=-1)
    places_K = ops.arange(scaled_BK.shape[-1], dtype="int32")
    least = max(top_p - TOP_P_TOLERANCE, MIN_TOP_P)  # above 0, so that the first place is always in the nucleus

    def before(place_B: Any) -> Any:
        own_B1 = ops.take_along_axis(scaled_BK, place_B[:, None], axis=1)
        equal_BK = ops.logical_and(scaled_BK == own_B1, places_K < place_B[:, None])
        return ops.logical_or(scaled_BK > own_B1, equal_BK)

    def outside(place_B: Any) -> Any:
        return ops.sum(ops.where(before(place_B), probability_BK, 0.0), axis=-1) >= least

    def next_argmax(noisy_BK: Any, place_B: Any, outside_B: Any) -> tuple[Any, Any, Any]:
        left_BK = ops.logical_or(before(place_B), ops.logical_not(outside_B)[:, None])
        noisy_BK = ops.where(left_BK, noisy_BK, -float("inf"))
        _, place_B = max_and_argmax(noisy_BK)
        return noisy_BK, place_B, outside(place_B)

    _, place_B = max_and_argmax(noisy_BK)
    start = (noisy_BK, place_B, outside(place_B))
    return ops.while_loop(lambda noisy_BK, place_B, outside_B: ops.any(outside_B), next_argmax, start)[1]


def gumbel(keys_B2: Any, t: Any, ids_BK: Any) -> Any:
    """Return standard Gumbel noise for each id of each row at position `t`, float32[B, K]."""
    t = ops.cast(t, "uint32")
    first_B1 = mix(ops.bitwise_xor(keys_B2[:, :1], mix(t + u32(1))))
    second_B1 = mix(keys_B2[:, 1:] + t * u32(0x9E3779B9))
    bits_BK = mix(ops.bitwise_xor(mix(ops.cast(ids_BK, "uint32") * u32(0x9E3779B9) + first_B1), second_B1))
    # -log(1 - u) is as exact as u for a small u, and small u give the largest noise.
    u_BK = ops.minimum((ops.cast(bits_BK, "float32") + 0.5) * 2.0**-32, 1.0 - 2.0**-24)
    return -ops.log(-ops.log1p(-u_BK))
