"""Sentences in, and what was hidden of them out (arXiv 1810.04805, section 3).

B examples, L ids, T targets, N words of all examples, D channels, V ids, of which the last two are "other" and "next".
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
from t2t_mm.modalities.base import Loss, Modality, Tensors, one_way
from t2t_mm.modalities.text import Table

SEGMENTS, ANSWERS = 2, 2


class Head(Layer):
    """LN(gelu(x W + b)): what the words are told from."""

    def build(self, width: int) -> None:
        self.weight_DD = self.add_weight(shape=(width, width), initializer="glorot_uniform", name="weight")
        self.shift_D = self.add_weight(shape=(width,), initializer="zeros", name="shift")
        self.norm = LayerNorm(name="norm")
        self.norm.build(width)

    def call(self, x_ND: Any) -> Any:
        return self.norm(gelu(ops.matmul(x_ND, self.weight_DD) + self.shift_D))


class Scores(Layer):
    """Numbers that start from zero, float32 in mixed precision too."""

    def build(self, shape: tuple[int, ...]) -> None:
        self.rows = self.add_weight(shape=shape, initializer=keras.initializers.Zeros(), autocast=False, name="rows")


class Sentences(Modality):
    """Token and segment embeddings; and two heads: on the memory's places where words were hidden, and on its first.

    A word's score is its embedding's product with what the head made of the memory, and a bias of the word's own.
    """

    autoregressive = False

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
        """{"ids", "segments": int32[B, L], "lengths": int32[B]} to Seq[B, L, D]; a pad becomes the zero vector."""
        ids_BL = arrays["ids"]
        real_BL = ops.arange(ops.shape(ids_BL)[1])[None, :] < arrays["lengths"][:, None]
        x_BLD = ops.cast(self.embed(ids_BL) + self.segments(arrays["segments"]), forward.dtype)
        return Seq(zero_pads(x_BLD, real_BL), real_BL)

    def targets_bottom(self, arrays: Tensors, forward: Forward) -> Seq:
        raise one_way(self, "previous outputs")

    def top(self, body: Seq) -> Any:
        """Whether the second sentence is the next: logits float[B, 1, 2] of no and yes."""
        x_BE = beside_one(body.values_BLD[:, 0])
        return ops.matmul(x_BE, ops.transpose(ops.cast(self.next.rows, x_BE.dtype)))[:, None]

    def judged(self, body: Seq, arrays: Tensors) -> Any:
        """Logits float[B, T, V]; those of the first target lie at the last two ids."""
        next_B12 = self.top(body)
        rest = self.port.size - ANSWERS
        next_B1V = ops.pad(next_B12, [[0, 0], [0, 0], [rest, 0]], constant_values=MASKED_SCORE)
        x_NE = self._words(body, arrays["places"][:, 1:])
        words_NV = ops.matmul(x_NE, ops.transpose(ops.cast(self._table(), x_NE.dtype)))
        shape = (ops.shape(next_B12)[0], ops.shape(arrays["places"])[1] - 1, self.port.size)
        return ops.concatenate([next_B1V, ops.reshape(words_NV, shape)], axis=1)

    def loss(self, body: Seq, arrays: Tensors, smoothing: float) -> Loss:
        """Nats of both kinds of target together; training minimises the mean of each, added up, a target."""
        labels_BT, real_BT = self.labels(arrays)
        x_BE = beside_one(body.values_BLD[:, 0])
        answer_B = ops.maximum(labels_BT[:, 0] - (self.port.size - ANSWERS), 0)
        found = (
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
        for (smoothed_N, nats_N), real_N in found:
            one_N = ops.cast(real_N, "float32")
            here = ops.sum(one_N)
            objective = objective + ops.sum(smoothed_N * one_N) / ops.maximum(here, 1.0)
            nats, count = nats + ops.sum(nats_N * one_N), count + here
        return Loss(objective * count, nats, count)

    def labels(self, arrays: Tensors) -> tuple[Any, Any]:
        ids_BT = arrays["ids"]
        return ids_BT, ops.arange(ops.shape(ids_BT)[1])[None, :] < arrays["lengths"][:, None]

    def _words(self, body: Seq, places_BT: Any) -> Any:
        """float[N, D + 1]: what the head makes of the memory at `places_BT`, and the 1 that the bias multiplies."""
        rows, length = ops.shape(body.values_BLD)[0], ops.shape(body.values_BLD)[1]
        flat_ND = ops.reshape(body.values_BLD, (-1, self.hidden_size))
        places_BT = ops.minimum(places_BT, length - 1)  # the inputs of another example may be shorter
        at_N = ops.reshape(ops.arange(rows)[:, None] * length + places_BT, (-1,))
        return beside_one(self.head(ops.take(flat_ND, at_N, axis=0)))

    def _table(self) -> Any:
        """float32[V, D + 1]: the embeddings with the biases beside them."""
        return ops.concatenate([self.embed.rows_VD.value, self.bias.rows.value[:, None]], axis=1)


def beside_one(x_ND: Any) -> Any:
    """float[N, D + 1]: a 1 behind each row."""
    return ops.concatenate([x_ND, ops.ones_like(x_ND[:, :1])], axis=-1)
