"""Target net of text by CTC, from a memory whose positions are frames of audio. `layers/ctc.py` has the algorithm."""

from typing import Any

from keras import ops

from t2t_mm.feature import Port
from t2t_mm.hparam_set import HparamSet
from t2t_mm.layers.ctc import (
    BLANK,
    ctc_nats,
    empty_prefixes,
    extend_prefixes,
    frame_probabilities,
    next_logits,
    teacher_forced_logits,
)
from t2t_mm.layers.sequence import Seq
from t2t_mm.modalities.base import Loss, SelfDecodingNet, TargetNet, Tensors
from t2t_mm.modalities.text import Table, Text


def text_or_ctc(port: Port, hidden_size: int, hparams: HparamSet, *, name: str) -> TargetNet:
    """Return a Text, or a TextCtc if the body's hparam `way_out` is "ctc"."""
    net_class: type[Text | TextCtc] = TextCtc if hparams.body.way_out == "ctc" else Text
    return net_class(port, hidden_size, hparams, name=name)


class TextCtc(SelfDecodingNet):
    """Text as targets only, by CTC: W_S scores the memory's positions, the frames. B examples, F frames, V symbols.

    The loss of a line is -ln P(line); label smoothing is ignored. A line that needs more frames than there are is
    impossible. It is left out of the loss. In evaluation it costs what `next_logits` gives to impossible ids, 85 nats
    an id.
    """

    def build(self) -> None:
        self.score = Table(name="score")
        self.score.build((self.port.size, self.hidden_size))

    def top(self, body: Seq) -> Any:
        """Turn the memory Seq[B, F, D] into logits float[B, F, V] of the frames."""
        return ops.matmul(body.values_BLD, ops.transpose(ops.cast(self.score.rows_VD, body.values_BLD.dtype)))

    def labels(self, arrays: Tensors) -> tuple[Any, Any]:
        ids_BL = arrays["ids"]
        return ids_BL, ops.arange(ops.shape(ids_BL)[1])[None, :] < arrays["lengths"][:, None]

    def target_logits(self, body: Seq, arrays: Tensors) -> Any:
        probabilities_BFV = frame_probabilities(self.top(body), body.real_BL)
        return teacher_forced_logits(probabilities_BFV, arrays["ids"])

    def loss(self, body: Seq, arrays: Tensors, smoothing: float) -> Loss:
        lengths_B = arrays["lengths"]
        nats_B, possible_B = ctc_nats(self.top(body), body.real_BL, arrays["ids"], lengths_B)
        nats = ops.sum(nats_B)
        return Loss(nats, nats, ops.sum(ops.cast(ops.where(possible_B, lengths_B, 0), "float32")))

    def start(self, memory: Seq, positions: int, beams: int) -> dict[str, Any]:
        probabilities_BFV = frame_probabilities(self.top(memory), memory.real_BL)
        b_BJF, n_BJF = empty_prefixes(probabilities_BFV, beams)
        last_BJ = ops.full(ops.shape(b_BJF)[:2], BLANK, "int32")
        return {"moments": probabilities_BFV, "b": b_BJF, "n": n_BJF, "last": last_BJ}

    def step(self, state: dict[str, Any], ids_R1: Any) -> tuple[Any, dict[str, Any]]:
        moments_BFV, b_BJF, n_BJF, last_BJ = (state[name] for name in ("moments", "b", "n", "last"))
        id_BJ = ops.reshape(ids_R1, ops.shape(last_BJ))
        started_BJ1 = (id_BJ != BLANK)[..., None]
        extended = extend_prefixes(moments_BFV, b_BJF, n_BJF, last_BJ, id_BJ)
        b_BJF, n_BJF = (ops.where(started_BJ1, new, old) for new, old in zip(extended, (b_BJF, n_BJF), strict=True))
        logits_BJV = next_logits(moments_BFV, b_BJF, n_BJF, id_BJ)
        logits_RV = ops.reshape(logits_BJV, (-1, logits_BJV.shape[-1]))
        return logits_RV, {"moments": moments_BFV, "b": b_BJF, "n": n_BJF, "last": id_BJ}

    def select(self, state: dict[str, Any], rows_R: Any) -> dict[str, Any]:
        def take_rows(x: Any) -> Any:
            shape = ops.shape(x)
            return ops.reshape(ops.take(ops.reshape(x, (-1, *shape[2:])), rows_R, axis=0), shape)

        return {"moments": state["moments"], **{name: take_rows(state[name]) for name in ("b", "n", "last")}}
