"""Classes out: a softmax on all of the memory side by side (arXiv 1711.00108, sections 4 and 5).

B examples, L positions, D channels, C classes; N = L * D.
"""

from typing import Any

from keras import ops

from t2t_mm.layers.cross_entropy import cross_entropy
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.part import Part
from t2t_mm.layers.sequence import Seq
from t2t_mm.modalities.base import Loss, Modality, Tensors, one_way


class Score(Part):
    """A row of N weights and a bias for each of C classes: Glorot's uniform start, the bias 0."""

    def build(self, classes: int, size: int) -> None:
        self.rows_CN = self.add_weight(shape=(classes, size), initializer="glorot_uniform", autocast=False, name="rows")
        self.shift_C = self.add_weight(shape=(classes,), initializer="zeros", autocast=False, name="shift")

    def call(self) -> Any:
        """float32[C, N + 1]: the bias stands last."""
        return ops.concatenate([self.rows_CN.value, self.shift_C.value[:, None]], axis=1)


class LabelFlat(Modality):
    """A class from every position of a memory whose length is known: the body's record says it, `memory_positions`."""

    autoregressive = False

    def build(self) -> None:
        self.size = self.hparams.body.memory_positions(self.hparams.data) * self.hidden_size
        self.score = Score(name="score")
        self.score.build(self.port.size, self.size)

    def bottom(self, arrays: Tensors, forward: Forward) -> Seq:
        raise one_way(self, "inputs")

    def targets_bottom(self, arrays: Tensors, forward: Forward) -> Seq:
        raise one_way(self, "previous outputs")

    def top(self, body: Seq) -> Any:
        """Seq[B, L, D] to logits float[B, 1, C]."""
        x_BM = self._read(body)
        return ops.matmul(x_BM, ops.transpose(ops.cast(self.score(), x_BM.dtype)))[:, None]

    def loss(self, body: Seq, arrays: Tensors, smoothing: float) -> Loss:
        labels_B1, real_B1 = self.labels(arrays)
        smoothed_B, nats_B = cross_entropy(self._read(body), self.score(), labels_B1[:, 0], smoothing)
        real_B = ops.cast(real_B1[:, 0], "float32")
        return Loss(ops.sum(smoothed_B * real_B), ops.sum(nats_B * real_B), ops.sum(real_B))

    def labels(self, arrays: Tensors) -> tuple[Any, Any]:
        """{"class": int32[B]}, -1 for an empty row."""
        class_B1 = arrays["class"][:, None]
        return ops.maximum(class_B1, 0), class_B1 >= 0

    def _read(self, body: Seq) -> Any:
        """float[B, N + 1]: the memory, and the 1 that the bias multiplies."""
        x_BN = ops.reshape(body.values_BLD, (-1, self.size))
        return ops.concatenate([x_BN, ops.ones_like(x_BN[:, :1])], axis=1)
