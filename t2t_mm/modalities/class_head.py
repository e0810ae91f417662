"""What heads that name a class have in common: they read vectors from the memory and score each class by a row.

B examples, C classes, E numbers that are scored.
"""

import abc
from typing import Any

from keras import ops

from t2t_mm.layers.cross_entropy import cross_entropy
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.layer import Layer
from t2t_mm.layers.sequence import Seq
from t2t_mm.modalities.base import Loss, Modality, Tensors, one_way


class ClassHead(Modality, abc.ABC):
    """A softmax over classes on one vector of each example. It writes only."""

    autoregressive = False

    @abc.abstractmethod
    def read(self, memory: Seq) -> Any:
        """float[B, E]: what is scored."""

    @abc.abstractmethod
    def rows(self) -> Any:
        """float32[C, E]: what each class is scored by."""

    def bottom(self, arrays: Tensors, forward: Forward) -> Seq:
        raise one_way(self, "inputs")

    def targets_bottom(self, arrays: Tensors, forward: Forward) -> Seq:
        raise one_way(self, "previous outputs")

    def top(self, body: Seq) -> Any:
        """Seq[B, L, D] to logits float[B, 1, C]."""
        x_BE = self.read(body)
        return ops.matmul(x_BE, ops.transpose(ops.cast(self.rows(), x_BE.dtype)))[:, None]

    def loss(self, body: Seq, arrays: Tensors, smoothing: float) -> Loss:
        labels_B1, real_B1 = self.labels(arrays)
        smoothed_B, nats_B = cross_entropy(self.read(body), self.rows(), labels_B1[:, 0], smoothing)
        real_B = ops.cast(real_B1[:, 0], "float32")
        return Loss(ops.sum(smoothed_B * real_B), ops.sum(nats_B * real_B), ops.sum(real_B))

    def labels(self, arrays: Tensors) -> tuple[Any, Any]:
        """{"class": int32[B]}, -1 for an empty row."""
        class_B1 = arrays["class"][:, None]
        return ops.maximum(class_B1, 0), class_B1 >= 0


class BiasedRows(Layer):
    """A row of weights and a bias for each of C classes, the bias 0 at the start."""

    def build(self, classes: int, size: int, initializer: str) -> None:
        self.rows_CN = self.add_weight(shape=(classes, size), initializer=initializer, autocast=False, name="rows")
        self.shift_C = self.add_weight(shape=(classes,), initializer="zeros", autocast=False, name="shift")

    def call(self) -> Any:
        """float32[C, N + 1]: the bias stands last."""
        return ops.concatenate([self.rows_CN.value, self.shift_C.value[:, None]], axis=1)


def with_one(x_BN: Any) -> Any:
    """float[B, N + 1]: `x_BN`, and the 1 that the bias multiplies."""
    return ops.concatenate([x_BN, ops.ones_like(x_BN[:, :1])], axis=1)
