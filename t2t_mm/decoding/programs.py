"""What decoding asks of a net, compiled once for each kind of problem and for each shape.

B rows, L source positions, T target positions, D channels, K beams, C classes.
"""

from collections.abc import Callable
from typing import Any

from keras import ops

from t2t_mm.data.vocabulary import PAD
from t2t_mm.decoding.beam import beam_search, length_penalty
from t2t_mm.decoding.compiled import for_all_shapes, for_each_shape
from t2t_mm.decoding.greedy import greedy
from t2t_mm.hparam_set import DataHparams
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.sequence import Seq
from t2t_mm.models.net import Net
from t2t_mm.problem import Arrays, Codec

Program = Callable[..., Any]


class Programs:
    """Compiled functions of one net. They read its weights at every call, so weights may change meanwhile."""

    def __init__(self, net: Net, hparams: DataHparams) -> None:
        self._net, self._hparams = net, hparams
        self._compiled: dict[Any, Program] = {}
        self._grids: dict[Any, tuple[int, int] | None] = {}

    def classify(self, problem: str, inputs: Codec, arrays: Arrays) -> Any:
        """Probabilities of the classes, float32[B, C]."""

        def judge(arrays: Any) -> Any:
            logits_BC = self._net.classify(problem, self._net.encode(problem, arrays, Forward()))
            return ops.softmax(ops.cast(logits_BC, "float32"), axis=-1)

        return self._open(("classify", self._net.kind(problem)), judge, inputs)(arrays)

    def search(
        self, problem: str, inputs: Codec, arrays: Arrays, limits_B: Any, positions: int, beams: int, alpha: float
    ) -> tuple[Any, Any]:
        """Ids int32[B, K, T] and scores float32[B, K], best first, of up to `limits_B` ids a row; see `beam_search`.

        A single beam is greedy search. T is `positions`; a score is log-probability / length_penalty.
        """
        kind = self._net.kind(problem)

        def encode(arrays: Any) -> tuple[Any, Any]:
            memory = self._net.encode(problem, arrays, Forward())
            self._grids[kind] = memory.grid  # known when traced: no tensor
            return memory.values_BLD, memory.real_BL

        def one(values_BLD: Any, real_BL: Any, x_B1D: Any, limits_B: Any) -> tuple[Any, Any]:
            state = self._net.start(problem, Seq(values_BLD, real_BL, self._grids[kind]), positions)
            ids_BT, log_probs_B = greedy(self._net, problem, state, x_B1D, limits_B, positions)
            written_B = ops.sum(ops.cast(ids_BT != PAD, "int32"), axis=1)
            return ids_BT[:, None], (log_probs_B / length_penalty(written_B, alpha))[:, None]

        def several(values_BLD: Any, real_BL: Any, x_B1D: Any, limits_B: Any) -> tuple[Any, Any]:
            values_RLD, real_RL, x_R1D = (ops.repeat(x, beams, axis=0) for x in (values_BLD, real_BL, x_B1D))
            state = self._net.start(problem, Seq(values_RLD, real_RL, self._grids[kind]), positions)
            return beam_search(self._net, problem, state, x_R1D, limits_B, positions, beams, alpha)

        values_BLD, real_BL = self._open(("encode", kind), encode, inputs)(arrays)
        key = ("search", kind, positions, beams, alpha)
        if key not in self._compiled:
            self._compiled[key] = for_each_shape(one if beams == 1 else several, self._net.variables)
        first_B1D = self._net.first(problem, limits_B.shape[0])  # an argument, as problems of a kind differ in it alone
        return self._compiled[key](values_BLD, real_BL, first_B1D, ops.convert_to_tensor(limits_B))

    def _open(self, key: Any, function: Program, inputs: Codec) -> Program:
        if key not in self._compiled:
            self._compiled[key] = for_all_shapes(function, self._net.variables, inputs.spec(self._hparams))
        return self._compiled[key]
