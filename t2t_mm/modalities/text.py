"""Modality net of text: subword ids as inputs and as targets (arXiv 1706.05137, section 2.5.1)."""

from typing import Any

import keras
from keras import ops

from t2t_mm.layers.cross_entropy import cross_entropy
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.layer import Layer
from t2t_mm.layers.sequence import Seq, zero_pads
from t2t_mm.modalities.base import Loss, Modality, Tensors


class Table(Layer):
    """A table of embeddings: one row of D channels for each of V symbols, N(0, 1 / D).

    It is float32 in mixed precision too: the gradient of a row is a sum over all positions of its symbol.
    """

    def build(self, shape: tuple[int, int]) -> None:
        initializer = keras.initializers.RandomNormal(stddev=shape[1] ** -0.5)
        self.rows_VD = self.add_weight(shape=shape, initializer=initializer, autocast=False, name="rows")

    def call(self, ids: Any) -> Any:
        return ops.take(self.rows_VD, ids, axis=0)


class Text(Modality):
    """W_E embeds inputs and shifted targets, W_S scores outputs.

    With `shared_embedding_and_softmax_weights` W_S is W_E.

    Embeddings are scaled by sqrt(D) to unit variance. Logits start with unit variance too, so the first loss is ln V.
    """

    def build(self) -> None:
        shape = (self.port.size, self.hidden_size)
        self.embed = Table(name="embed")
        self.embed.build(shape)
        if self.hparams.data.shared_embedding_and_softmax_weights:
            self.score = self.embed
        else:
            self.score = Table(name="score")
            self.score.build(shape)

    def bottom(self, arrays: Tensors, forward: Forward) -> Seq:
        """Turn {"ids": int32[B, L], "lengths": int32[B]} into Seq[B, L, D]; a pad becomes the zero vector."""
        ids_BL = arrays["ids"]
        real_BL = ops.arange(ops.shape(ids_BL)[1])[None, :] < arrays["lengths"][:, None]
        return Seq(zero_pads(ops.cast(self.vectors(ids_BL), forward.dtype), real_BL), real_BL)

    def targets_bottom(self, arrays: Tensors, forward: Forward) -> Seq:
        return self.bottom(arrays, forward)

    def vectors(self, ids: Any) -> Any:
        """Return the scaled embeddings float[..., D] of int32[...]."""
        return self.embed(ids) * self.hidden_size**0.5

    def top(self, body: Seq) -> Any:
        return ops.matmul(body.values_BLD, ops.transpose(self.score.rows_VD))

    def loss(self, body: Seq, arrays: Tensors, smoothing: float) -> Loss:
        labels_BL, real_BL = self.labels(arrays)
        x_ND = ops.reshape(body.values_BLD, (-1, self.hidden_size))
        smoothed_N, nats_N = cross_entropy(
            x_ND, ops.convert_to_tensor(self.score.rows_VD), ops.reshape(labels_BL, (-1,)), smoothing
        )
        real_N = ops.reshape(ops.cast(real_BL, "float32"), (-1,))
        return Loss(ops.sum(smoothed_N * real_N), ops.sum(nats_N * real_N), ops.sum(real_N))

    def labels(self, arrays: Tensors) -> tuple[Any, Any]:
        ids_BL = arrays["ids"]
        return ids_BL, ops.arange(ops.shape(ids_BL)[1])[None, :] < arrays["lengths"][:, None]
