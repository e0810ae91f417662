"""The position-wise feed-forward network (arXiv 1706.03762, section 3.3)."""

from collections.abc import Callable
from typing import Any

from keras import ops

from t2t_mm.layers.dropout import dropout
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.layer import Layer


class FeedForward(Layer):
    """A position-wise feed-forward network: f(x W1 + b1) W2 + b2, with dropout on the output of the activation f.

    D input and output channels, F hidden ones. Weights start by Glorot's uniform initialisation, as in T2T; the paper
    names none.
    """

    def __init__(self, size: int, *, dropout: float, activation: Callable[[Any], Any] = ops.relu, name: str) -> None:
        """`size` is F, the number of hidden channels."""
        super().__init__(name=name)
        self.size, self.dropout, self.activation = size, dropout, activation

    def build(self, width: int) -> None:
        self.in_DF = self.add_weight(shape=(width, self.size), initializer="glorot_uniform", name="in")
        self.in_shift_F = self.add_weight(shape=(self.size,), initializer="zeros", name="in_shift")
        self.out_FD = self.add_weight(shape=(self.size, width), initializer="glorot_uniform", name="out")
        self.out_shift_D = self.add_weight(shape=(width,), initializer="zeros", name="out_shift")

    def call(self, x: Any, forward: Forward) -> Any:
        """Map float[..., D] to float[..., D]."""
        hidden = self.activation(ops.matmul(x, self.in_DF) + self.in_shift_F)
        hidden = dropout(hidden, self.dropout, forward, self.path)
        return ops.matmul(hidden, self.out_FD) + self.out_shift_D
