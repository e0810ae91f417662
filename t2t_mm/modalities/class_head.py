"""The base of target nets that predict a class: they read one vector from the memory and score each class by a row.

B examples, C classes, E numbers that are scored.
"""

import abc
from typing import Any

from keras import ops

from t2t_mm.layers.cross_entropy import cross_entropy
from t2t_mm.layers.layer import Layer
from t2t_mm.layers.sequence import Seq
from t2t_mm.modalities.base import Loss, TargetNet, Tensors


class ClassHead(TargetNet):
    """A softmax over classes on one vector of each example."""

    @abc.abstractmethod
    def read(self, memory: Seq) -> Any:
        """Return the vectors that are scored, float[B, E]."""

    @abc.abstractmethod
    def rows(self) -> Any:
        """Return the weights that score each class, float32[C, E]."""

    def top(self, body: Seq) -> Any:
        """Turn the memory Seq[B, L, D] into logits float[B, 1, C]."""
        x_BE = self.read(body)
        return ops.matmul(x_BE, ops.transpose(ops.cast(self.rows(), x_BE.dtype)))[:, None]

    def loss(self, body: Seq, arrays: Tensors, smoothing: float) -> Loss:
        labels_B1, real_B1 = self.labels(arrays)
        smoothed_B, nats_B = cross_entropy(self.read(body), self.rows(), labels_B1[:, 0], smoothing)
        real_B = ops.cast(real_B1[:, 0], "float32")
        return Loss(ops.sum(smoothed_B * real_B), ops.sum(nats_B * real_B), ops.sum(real_B))

    def labels(self, arrays: Tensors) -> tuple[Any, Any]:
        """Return labels and mask of {"class": int32[B]}, in which -1 marks an empty row."""
        class_B1 = arrays["class"][:, None]
        return ops.maximum(class_B1, 0), class_B1 >= 0


class BiasedRows(Layer):
    """A row of weights and a bias for each of C classes. Biases start at 0."""

    def build(self, classes: int, size: int, initializer: str) -> None:
        self.rows_CN = self.add_weight(shape=(classes, size), initializer=initializer, autocast=False, name="rows")
        self.shift_C = self.add_weight(shape=(classes,), initializer="zeros", autocast=False, name="shift")

    def call(self) -> Any:
        """Return float32[C, N + 1]; the last column is the bias."""
        return ops.concatenate([self.rows_CN.value, self.shift_C.value[:, None]], axis=1)


def append_one(x_BN: Any) -> Any:
    """Return float[B, N + 1]: `x_BN` with a column of ones, which the biases multiply."""
    return ops.concatenate([x_BN, ops.ones_like(x_BN[:, :1])], axis=1)
