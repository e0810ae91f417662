"""Target net of spans: the first and the last position of a part of the inputs (arXiv 1810.04805, section 4.2).

B examples, L positions, D channels.
"""

from typing import Any

import keras
from keras import ops

from t2t_mm.layers.sequence import MASKED_SCORE, Seq
from t2t_mm.modalities.base import Loss, TargetNet, Tensors

IMPOSSIBLE = 85.0  # nats that a pad costs beyond the likeliest position, as an id that is impossible in CTC


class Span(TargetNet):
    """P(begins at i) = softmax over i of S T_i, P(ends at j) likewise with E; T_i is the memory at position i.

    The loss is -log P of the true first and last position.
    """

    def build(self) -> None:
        start = keras.initializers.TruncatedNormal(stddev=0.02)  # authors' code
        self.rows_2D = self.add_weight(shape=(2, self.hidden_size), initializer=start, autocast=False, name="rows")

    def top(self, body: Seq) -> Any:
        """Return logits float[B, 1, 2 L]: of a beginning at each position, then of an end at each position.

        Both halves are normalised, so a softmax over all 2 L gives half of each probability.
        """
        log_probs_B2L = ops.log_softmax(self._scores(body), axis=-1)
        shape = ops.shape(log_probs_B2L)
        return ops.reshape(log_probs_B2L, (shape[0], 1, 2 * shape[2]))

    def target_logits(self, body: Seq, arrays: Tensors) -> Any:
        """Return logits float[B, 2, L]."""
        return self._scores(body)

    def loss(self, body: Seq, arrays: Tensors, smoothing: float) -> Loss:
        """Return the cross-entropy of both positions. `smoothing` is spread over the real positions."""
        places_B2, real_B2 = self.labels(arrays)
        one_B2 = ops.cast(real_B2, "float32")
        log_probs_B2L = ops.log_softmax(self._scores(body), axis=-1)
        right_B2 = -ops.take_along_axis(log_probs_B2L, places_B2[..., None], axis=-1)[..., 0]
        may_B1L = ops.cast(body.real_BL, "float32")[:, None]
        even_B2 = -ops.sum(log_probs_B2L * may_B1L, axis=-1) / ops.maximum(ops.sum(may_B1L, axis=-1), 1.0)
        nats = ops.sum(right_B2 * one_B2)
        objective = (1 - smoothing) * nats + smoothing * ops.sum(even_B2 * one_B2)
        return Loss(objective, nats, ops.sum(one_B2))

    def labels(self, arrays: Tensors) -> tuple[Any, Any]:
        """Return labels and mask of {"places": int32[B, 2]}, in which -1 marks an empty row."""
        places_B2 = arrays["places"]
        return ops.maximum(places_B2, 0), places_B2 >= 0

    def _scores(self, body: Seq) -> Any:
        """Return float32[B, 2, L]; pads are IMPOSSIBLE below the best."""
        rows_2D = ops.cast(self.rows_2D, body.values_BLD.dtype)
        scores_BL2 = ops.matmul(body.values_BLD, ops.transpose(rows_2D))
        scores_B2L = ops.cast(ops.transpose(scores_BL2, (0, 2, 1)), "float32")
        real_B1L = body.real_BL[:, None]
        best_B21 = ops.max(ops.where(real_B1L, scores_B2L, MASKED_SCORE), axis=-1, keepdims=True)
        return ops.where(real_B1L, scores_B2L, best_B21 - IMPOSSIBLE)
