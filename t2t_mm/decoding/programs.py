"""The programs of decoding: a net's functions, compiled once for each kind of problem and each shape.

B rows, L source positions, T target positions, D channels, K beams or samples, R = B * K, C classes.
"""

from collections.abc import Callable
from typing import Any

from keras import ops

from t2t_mm.data.vocabulary import PAD
from t2t_mm.decoding.answers import Sampling
from t2t_mm.decoding.autoregressive_loop import greedy_search
from t2t_mm.decoding.beam import beam_search, length_penalty
from t2t_mm.decoding.compiled import for_all_shapes, for_each_shape
from t2t_mm.decoding.forced_prefix import ForcedPrefix
from t2t_mm.decoding.sampling import sample
from t2t_mm.feature import Arrays, Codec
from t2t_mm.hparam_set import DataHparams
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.sequence import Seq
from t2t_mm.models.net import Net

Program = Callable[..., Any]


class Programs:
    """The compiled functions of one net. They read its weights at every call, so weights may change between calls.

    Their argument `arrays` holds a batch of the codec `source`: the inputs, or, for a problem without inputs, forced
    prefixes of the targets, padded to T.
    """

    def __init__(self, net: Net, hparams: DataHparams) -> None:
        self._net, self._hparams = net, hparams
        self._compiled: dict[Any, Program] = {}
        self._grids: dict[Any, tuple[int, int] | None] = {}

    def classify(self, problem: str, inputs: Codec, arrays: Arrays) -> Any:
        """Return the probabilities of the classes, float32[B, C]."""

        def class_probabilities(arrays: Any) -> Any:
            logits_BC = self._net.classify(problem, self._net.encode(problem, arrays, Forward()))
            return ops.softmax(ops.cast(logits_BC, "float32"), axis=-1)

        return self._for_all_shapes(("classify", self._net.kind(problem)), class_probabilities, inputs)(arrays)

    def search(
        self, problem: str, source: Codec, arrays: Arrays, limits_B: Any, positions: int, beams: int, alpha: float
    ) -> tuple[Any, Any]:
        """Return ids int32[B, K, T] and scores float32[B, K], best first, with up to `limits_B` ids; see `beam_search`.

        A single beam is greedy search. T is `positions`; a score is log-probability / length_penalty.
        """

        def write(net: Any, memory: Seq, x_R1D: Any, limits_B: Any) -> tuple[Any, Any]:
            if beams > 1:
                state = net.start_beams(problem, memory, positions, beams)
                return beam_search(net, problem, state, x_R1D, limits_B, positions, beams, alpha)
            state = net.start(problem, memory, positions)
            ids_BT, log_probs_B = greedy_search(net, problem, state, x_R1D, limits_B, positions)
            return ids_BT[:, None], _scores(ids_BT, log_probs_B, alpha)[:, None]

        return self._generate(("search", alpha), write, problem, source, arrays, beams, positions, limits_B)

    def sample(
        self,
        problem: str,
        source: Codec,
        arrays: Arrays,
        limits_B: Any,
        keys_BK2: Any,
        positions: int,
        sampling: Sampling,
        alpha: float,
    ) -> tuple[Any, Any]:
        """Return ids int32[B, K, T] and scores float32[B, K] as `search` does, in the order of `keys_BK2`, uint32."""
        rows, samples, _ = keys_BK2.shape

        def write(net: Any, memory: Seq, x_R1D: Any, limits_B: Any, keys_R2: Any) -> tuple[Any, Any]:
            state = net.start(problem, memory.repeated(samples), positions)  # each sample has its own cache
            limits_R = ops.repeat(limits_B, samples)
            ids_RT, log_probs_R = sample(net, problem, state, x_R1D, limits_R, positions, keys_R2, sampling)
            scores_R = _scores(ids_RT, log_probs_R, alpha)
            return ops.reshape(ids_RT, (rows, samples, positions)), ops.reshape(scores_R, (rows, samples))

        key = ("sample", alpha, sampling.temperature, sampling.top_k, sampling.top_p, rows)
        keys_R2 = keys_BK2.reshape(-1, 2)
        return self._generate(key, write, problem, source, arrays, samples, positions, limits_B, keys_R2)

    def _generate(
        self,
        key: tuple[Any, ...],
        write: Program,
        problem: str,
        source: Codec,
        arrays: Arrays,
        each: int,
        positions: int,
        *per_row: Any,
    ) -> Any:
        """Compile `write` and return its outputs.

        The arguments of `write` are a net, a memory, the first input vectors of `each` rows per source, and `per_row`.
        `key` identifies `write`, apart from the problem's kind, `each` and `positions`.
        """
        kind, reads = self._net.kind(problem), self._net.signatures[problem].inputs is not None

        def encode(arrays: Any) -> tuple[Any, Any]:
            rows = ops.shape(next(iter(arrays.values())))[0]
            memory = self._net.encode(problem, arrays if reads else None, Forward(), rows)
            self._grids[kind] = memory.grid  # not a tensor: known when traced
            return memory.values_BLD, memory.real_BL

        def program(values_BLD: Any, real_BL: Any, x_B1D: Any, prefix_BT: Any, *per_row: Any) -> Any:
            net = self._net if reads else ForcedPrefix(self._net, ops.repeat(prefix_BT, each, axis=0))
            memory = Seq(values_BLD, real_BL, self._grids[kind])
            return write(net, memory, ops.repeat(x_B1D, each, axis=0), *per_row)

        values_BLD, real_BL = self._for_all_shapes(("encode", kind), encode, source)(arrays)
        key = (*key, kind, each, positions)
        if key not in self._compiled:
            self._compiled[key] = for_each_shape(program, self._net.variables)
        rows = next(iter(arrays.values())).shape[0]
        first_B1D = self._net.first(problem, rows)  # an argument: problems of one kind differ only in it
        prefix_BT = None if reads else ops.convert_to_tensor(arrays["ids"])
        per_row = tuple(ops.convert_to_tensor(x) for x in per_row)
        return self._compiled[key](values_BLD, real_BL, first_B1D, prefix_BT, *per_row)

    def _for_all_shapes(self, key: Any, function: Program, source: Codec) -> Program:
        """Return `function` compiled for all shapes of `source`'s arrays; `key` identifies it."""
        if key not in self._compiled:
            self._compiled[key] = for_all_shapes(function, self._net.variables, source.spec(self._hparams))
        return self._compiled[key]


def _scores(ids_RT: Any, log_probs_R: Any, alpha: float) -> Any:
    """Return log-probability / length_penalty of each row, float32[R]."""
    return log_probs_R / length_penalty(ops.sum(ops.cast(ids_RT != PAD, "int32"), axis=1), alpha)
