"""Classes out: a softmax on the memory's last vector (arXiv 1603.09025, section 5.1)."""

from typing import Any

from keras import ops

from t2t_mm.layers.cross_entropy import cross_entropy
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.lstm import last_real
from t2t_mm.layers.part import Part
from t2t_mm.layers.sequence import Seq
from t2t_mm.modalities.base import Loss, Modality, Tensors, one_way


class Score(Part):
    """A row of D weights and a bias for each of C classes: orthogonal at the start, the bias 0."""

    def build(self, classes: int, width: int) -> None:
        self.rows_CD = self.add_weight(shape=(classes, width), initializer="orthogonal", autocast=False, name="rows")
        self.shift_C = self.add_weight(shape=(classes,), initializer="zeros", autocast=False, name="shift")

    def call(self) -> Any:
        """float32[C, D + 1]: the bias stands last."""
        return ops.concatenate([self.rows_CD.value, self.shift_C.value[:, None]], axis=1)


class LabelLast(Modality):
    """A class from what stands at the memory's last real position: what a recurrent net knows when it has read all."""

    autoregressive = False

    def build(self) -> None:
        self.score = Score(name="score")
        self.score.build(self.port.size, self.hidden_size)

    def bottom(self, arrays: Tensors, forward: Forward) -> Seq:
        raise one_way(self, "inputs")

    def targets_bottom(self, arrays: Tensors, forward: Forward) -> Seq:
        raise one_way(self, "previous outputs")

    def top(self, body: Seq) -> Any:
        """Seq[B, L, D] to logits float[B, 1, C]."""
        x_BE = self._read(body)
        return ops.matmul(x_BE, ops.transpose(ops.cast(self.score(), x_BE.dtype)))[:, None]

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
        """float[B, D + 1]: the vector, and the 1 that the bias multiplies."""
        x_BD = last_real(body.values_BLD, body.real_BL)
        return ops.concatenate([x_BD, ops.ones_like(x_BD[:, :1])], axis=1)
