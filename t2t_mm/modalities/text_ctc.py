"""Language out of a memory of moments, by CTC: `layers/ctc.py` says how."""

from typing import Any

from keras import ops

from t2t_mm.feature import Port
from t2t_mm.hparam_set import HparamSet
from t2t_mm.layers.ctc import (
    BLANK,
    ctc_nats,
    line_logits,
    moment_probabilities,
    next_logits,
    nothing_said,
    said_further,
)
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.sequence import Seq
from t2t_mm.modalities.base import Loss, Modality, Tensors, Writer, one_way
from t2t_mm.modalities.text import Table, Text


def text_or_ctc(port: Port, hidden_size: int, hparams: HparamSet, *, name: str) -> Modality:
    """Text, or TextCtc where the body's hparam `way_out` is "ctc"."""
    net_class = TextCtc if hparams.body.way_out == "ctc" else Text
    return net_class(port, hidden_size, hparams, name=name)


class TextCtc(Writer):
    """Text that is written by CTC, and not read: W_S scores the memory's positions, the moments.

    What a line costs is -ln P(line), smoothing or not. A line that takes more moments than there are cannot be said: it
    has no part in the loss, and in evaluation it costs what `next_logits` gives the impossible, 85 nats for an id.
    """

    def build(self) -> None:
        self.score = Table(name="score")
        self.score.build((self.port.size, self.hidden_size))

    def bottom(self, arrays: Tensors, forward: Forward) -> Seq:
        raise one_way(self, "inputs")

    def targets_bottom(self, arrays: Tensors, forward: Forward) -> Seq:
        raise one_way(self, "previous outputs")

    def top(self, body: Seq) -> Any:
        """Seq[B, F, D] to logits float[B, F, V] of the moments."""
        return ops.matmul(body.values_BLD, ops.transpose(ops.cast(self.score.rows_VD, body.values_BLD.dtype)))

    def labels(self, arrays: Tensors) -> tuple[Any, Any]:
        ids_BL = arrays["ids"]
        return ids_BL, ops.arange(ops.shape(ids_BL)[1])[None, :] < arrays["lengths"][:, None]

    def judged(self, body: Seq, arrays: Tensors) -> Any:
        probabilities_BFV = moment_probabilities(self.top(body), body.real_BL)
        return line_logits(probabilities_BFV, arrays["ids"])

    def loss(self, body: Seq, arrays: Tensors, smoothing: float) -> Loss:
        lengths_B = arrays["lengths"]
        nats_B, possible_B = ctc_nats(self.top(body), body.real_BL, arrays["ids"], lengths_B)
        nats = ops.sum(nats_B)
        return Loss(nats, nats, ops.sum(ops.cast(ops.where(possible_B, lengths_B, 0), "float32")))

    def start(self, memory: Seq, positions: int, beams: int) -> dict[str, Any]:
        probabilities_BFV = moment_probabilities(self.top(memory), memory.real_BL)
        b_BJF, n_BJF = nothing_said(probabilities_BFV, beams)
        last_BJ = ops.full(ops.shape(b_BJF)[:2], BLANK, "int32")
        return {"moments": probabilities_BFV, "b": b_BJF, "n": n_BJF, "last": last_BJ}

    def step(self, state: dict[str, Any], ids_R1: Any) -> tuple[Any, dict[str, Any]]:
        moments_BFV, b_BJF, n_BJF, last_BJ = (state[name] for name in ("moments", "b", "n", "last"))
        id_BJ = ops.reshape(ids_R1, ops.shape(last_BJ))
        begun_BJ1 = (id_BJ != BLANK)[..., None]
        further = said_further(moments_BFV, b_BJF, n_BJF, last_BJ, id_BJ)
        b_BJF, n_BJF = (ops.where(begun_BJ1, x, old) for x, old in zip(further, (b_BJF, n_BJF), strict=True))
        logits_BJV = next_logits(moments_BFV, b_BJF, n_BJF, id_BJ)
        logits_RV = ops.reshape(logits_BJV, (-1, logits_BJV.shape[-1]))
        return logits_RV, {"moments": moments_BFV, "b": b_BJF, "n": n_BJF, "last": id_BJ}

    def select(self, state: dict[str, Any], rows_R: Any) -> dict[str, Any]:
        def taken(x: Any) -> Any:
            shape = ops.shape(x)
            return ops.reshape(ops.take(ops.reshape(x, (-1, *shape[2:])), rows_R, axis=0), shape)

        return {"moments": state["moments"], **{name: taken(state[name]) for name in ("b", "n", "last")}}
