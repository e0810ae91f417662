"""Modality net of BERT's pre-training: sentences as inputs, masked words and next sentences as targets.

Source: arXiv 1810.04805, section 3. B examples, L ids, T targets, N masked words of all examples, D channels, V ids, of
which the last two mean "another sentence follows" and "the next sentence follows".
"""

from typing import Any

import keras
from keras import ops

from t2t_mm.layers.activations import gelu
from t2t_mm.layers.cross_entropy import cross_entropy
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.layer import Layer
from t2t_mm.layers.norm import LayerNorm
from t2t_mm.layers.sequence import MASKED_SCORE, Seq, zero_pads
from t2t_mm.modalities.base import InputNet, Loss, TargetNet, Tensors
from t2t_mm.modalities.class_head import append_one
from t2t_mm.modalities.text import Table

SEGMENTS, ANSWERS = 2, 2


class Head(Layer):
    """LN(gelu(x W + b)): the hidden layer of the head that predicts masked words."""

    def build(self, width: int) -> None:
        self.weight_DD = self.add_weight(shape=(width, width), initializer="glorot_uniform", name="weight")
        self.shift_D = self.add_weight(shape=(width,), initializer="zeros", name="shift")
        self.norm = LayerNorm(name="norm")
        self.norm.build(width)

    def call(self, x_ND: Any) -> Any:
        return self.norm(gelu(ops.matmul(x_ND, self.weight_DD) + self.shift_D))


class Scores(Layer):
    """Weights that start at zero, float32 in mixed precision too."""

    def build(self, shape: tuple[int, ...]) -> None:
        self.rows = self.add_weight(shape=shape, initializer=keras.initializers.Zeros(), autocast=False, name="rows")


class Sentences(InputNet, TargetNet):
    """Token and segment embeddings; two heads: on the positions of masked words, and on the memory's first position.

    A word's score is the product of its embedding with the head's output, plus a bias of the word's own.
    """

    def build(self) -> None:
        self.embed, self.segments = Table(name="embed"), Table(name="segments")
        self.embed.build((self.port.size, self.hidden_size))
        self.segments.build((SEGMENTS, self.hidden_size))
        self.head = Head(name="head")
        self.head.build(self.hidden_size)
        self.bias, self.next = Scores(name="bias"), Scores(name="next")
        self.bias.build((self.port.size,))
        self.next.build((ANSWERS, self.hidden_size + 1))

    def bottom(self, arrays: Tensors, forward: Forward) -> Seq:
        """Turn {"ids", "segments": int32[B, L], "lengths": int32[B]} into Seq[B, L, D]; pads become zero vectors."""
        ids_BL = arrays["ids"]
        real_BL = ops.arange(ops.shape(ids_BL)[1])[None, :] < arrays["lengths"][:, None]
        x_BLD = ops.cast(self.embed(ids_BL) + self.segments(arrays["segments"]), forward.dtype)
        return Seq(zero_pads(x_BLD, real_BL), real_BL)

    def top(self, body: Seq) -> Any:
        """Return logits float[B, 1, 2] of no and yes: is the second sentence the next?"""
        x_BE = append_one(body.values_BLD[:, 0])
        return ops.matmul(x_BE, ops.transpose(ops.cast(self.next.rows, x_BE.dtype)))[:, None]

    def target_logits(self, body: Seq, arrays: Tensors) -> Any:
        """Return logits float[B, T, V]; the first target's logits are those of the last two ids."""
        next_B12 = self.top(body)
        rest = self.port.size - ANSWERS
        next_B1V = ops.pad(next_B12, [[0, 0], [0, 0], [rest, 0]], constant_values=MASKED_SCORE)
        x_NE = self._words(body, arrays["places"][:, 1:])
        words_NV = ops.matmul(x_NE, ops.transpose(ops.cast(self._table(), x_NE.dtype)))
        shape = (ops.shape(next_B12)[0], ops.shape(arrays["places"])[1] - 1, self.port.size)
        return ops.concatenate([next_B1V, ops.reshape(words_NV, shape)], axis=1)

    def loss(self, body: Seq, arrays: Tensors, smoothing: float) -> Loss:
        """Return the loss of both kinds of target: `nats` is their sum, `objective` adds the mean of each kind.

        `objective` is that sum of two means, times the number of targets.
        """
        labels_BT, real_BT = self.labels(arrays)
        x_BE = append_one(body.values_BLD[:, 0])
        answer_B = ops.maximum(labels_BT[:, 0] - (self.port.size - ANSWERS), 0)
        kinds = (
            (cross_entropy(x_BE, self.next.rows.value, answer_B, smoothing), real_BT[:, 0]),
            (
                cross_entropy(
                    self._words(body, arrays["places"][:, 1:]),
                    self._table(),
                    ops.reshape(labels_BT[:, 1:], (-1,)),
                    smoothing,
                ),
                ops.reshape(real_BT[:, 1:], (-1,)),
            ),
        )
        objective = nats = count = ops.zeros(())
        for (smoothed_N, nats_N), real_N in kinds:
            one_N = ops.cast(real_N, "float32")
            kind_count = ops.sum(one_N)
            objective = objective + ops.sum(smoothed_N * one_N) / ops.maximum(kind_count, 1.0)
            nats, count = nats + ops.sum(nats_N * one_N), count + kind_count
        return Loss(objective * count, nats, count)

    def labels(self, arrays: Tensors) -> tuple[Any, Any]:
        ids_BT = arrays["ids"]
        return ids_BT, ops.arange(ops.shape(ids_BT)[1])[None, :] < arrays["lengths"][:, None]

    def _words(self, body: Seq, places_BT: Any) -> Any:
        """Return float[N, D + 1]: the head's output at the positions `places_BT`, and a 1 that the bias multiplies."""
        rows, length = ops.shape(body.values_BLD)[0], ops.shape(body.values_BLD)[1]
        flat_ND = ops.reshape(body.values_BLD, (-1, self.hidden_size))
        places_BT = ops.minimum(places_BT, length - 1)  # the inputs of another example may be shorter
        at_N = ops.reshape(ops.arange(rows)[:, None] * length + places_BT, (-1,))
        return append_one(self.head(ops.take(flat_ND, at_N, axis=0)))

    def _table(self) -> Any:
        """Return float32[V, D + 1]: the embeddings, with the biases as the last column."""
        return ops.concatenate([self.embed.rows_VD.value, self.bias.rows.value[:, None]], axis=1)
