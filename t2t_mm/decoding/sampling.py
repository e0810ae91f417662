"""Sampling: an id is drawn at every position.

The random numbers of a row are a function of (the row's key, position, id), by the integer hash of `layers/forward.py`:
what a row draws does not depend on the batch that it is in. B rows, T positions, V symbols, D channels, K candidates.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from t2t_mm.data import keyed_rng
from t2t_mm.decoding.answers import Sampling
from t2t_mm.decoding.autoregressive_loop import follow, likeliest
from t2t_mm.layers.forward import mix, u32

ROUNDING = 1e-6  # a set of ids reaches top_p, too, where its summed probability falls short of it by so little
SMALLEST = 1e-30


def sample(
    net: Any, problem: str, state: Any, x_B1D: Any, limits_B: Any, positions: int, keys_B2: Any, sampling: Sampling
) -> tuple[Any, Any]:
    """Draw each row's ids until it ends.

    Args:
        keys_B2: uint32, of each row; see `keys`. `sampling.seed` is in them.
        The rest, and the results, are those of `follow`; the log-probabilities are the model's own, at temperature 1.
    """
    return follow(net, problem, state, x_B1D, limits_B, positions, lambda t, lp_BV: draw(lp_BV, t, keys_B2, sampling))


def keys(seed: int, places: Sequence[int], samples: int) -> np.ndarray:
    """uint32[B, samples, 2]: the key of each sample of each input, by the input's place."""
    drawn = [
        [keyed_rng.generator(seed, "sample", place, k).integers(2**32, size=2, dtype=np.uint32) for k in range(samples)]
        for place in places
    ]
    return np.array(drawn, np.uint32).reshape(len(places), samples, 2)


def draw(log_probs_BV: Any, t: Any, keys_B2: Any, sampling: Sampling) -> tuple[Any, Any]:
    """One id of each row, int32[B], with its log-probability, float32[B].

    The greatest of log-probability / temperature + Gumbel noise is distributed as softmax(log-probability /
    temperature), among all ids or any of them (Gumbel 1954; Maddison et al. 2014, arXiv 1411.0030). Ids are ranked by
    probability, equal ones by number, the lower first: so `top_k` and `top_p` cut ties. `top_p` is held against the
    probabilities that the `top_k` have among themselves.
    """
    rows, symbols = log_probs_BV.shape
    scaled_BK = log_probs_BV / sampling.temperature
    ids_BK = ops.broadcast_to(ops.arange(symbols, dtype="int32"), (rows, symbols))
    if 0 < sampling.top_k < symbols:
        scaled_BK, ids_BK = ops.top_k(scaled_BK, sampling.top_k)  # of equal ones the lower first
        ids_BK = ops.cast(ids_BK, "int32")
    noisy_BK = scaled_BK + gumbel(keys_B2, t, ids_BK)
    place_B = greatest_of_fewest(noisy_BK, scaled_BK, sampling.top_p) if sampling.top_p < 1 else likeliest(noisy_BK)[1]
    id_B1 = ops.take_along_axis(ids_BK, place_B[:, None], axis=1)
    return ops.take_along_axis(log_probs_BV, id_B1, axis=1)[:, 0], id_B1[:, 0]


def greatest_of_fewest(noisy_BK: Any, scaled_BK: Any, top_p: float) -> Any:
    """Where each row's greatest `noisy_BK` is, int32[B], among the fewest places of softmax(scaled_BK) that reach
    `top_p`.

    A place is one of these when those ranked before it do not reach `top_p` yet. So the greatest of all is taken, and
    while it is none of them, it falls away with all that rank behind it: no order of 8,000 places is needed, which
    takes thirty times as long.
    """
    probability_BK = ops.softmax(scaled_BK, axis=-1)
    places_K = ops.arange(scaled_BK.shape[-1], dtype="int32")
    least = max(top_p - ROUNDING, SMALLEST)  # nothing ranks before the first place, so it is always one of them

    def before(place_B: Any) -> Any:
        own_B1 = ops.take_along_axis(scaled_BK, place_B[:, None], axis=1)
        equal_BK = ops.logical_and(scaled_BK == own_B1, places_K < place_B[:, None])
        return ops.logical_or(scaled_BK > own_B1, equal_BK)

    def beyond(place_B: Any) -> Any:
        return ops.sum(ops.where(before(place_B), probability_BK, 0.0), axis=-1) >= least

    def again(noisy_BK: Any, place_B: Any, beyond_B: Any) -> tuple[Any, Any, Any]:
        left_BK = ops.logical_or(before(place_B), ops.logical_not(beyond_B)[:, None])
        noisy_BK = ops.where(left_BK, noisy_BK, -float("inf"))
        _, place_B = likeliest(noisy_BK)
        return noisy_BK, place_B, beyond(place_B)

    _, place_B = likeliest(noisy_BK)
    start = (noisy_BK, place_B, beyond(place_B))
    return ops.while_loop(lambda noisy_BK, place_B, beyond_B: ops.any(beyond_B), again, start)[1]


def gumbel(keys_B2: Any, t: Any, ids_BK: Any) -> Any:
    """float32[B, K]: standard Gumbel noise for each id of each row at position `t`."""
    t = ops.cast(t, "uint32")
    first_B1 = mix(ops.bitwise_xor(keys_B2[:, :1], mix(t + u32(1))))
    second_B1 = mix(keys_B2[:, 1:] + t * u32(0x9E3779B9))
    bits_BK = mix(ops.bitwise_xor(mix(ops.cast(ids_BK, "uint32") * u32(0x9E3779B9) + first_B1), second_B1))
    # -log(1 - u) of a small u is as exact as u, and it is the small ones that win.
    u_BK = ops.minimum((ops.cast(bits_BK, "float32") + 0.5) * 2.0**-32, 1.0 - 2.0**-24)
    return -ops.log(-ops.log1p(-u_BK))
