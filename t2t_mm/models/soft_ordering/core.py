"""The layers that tasks share: each takes what any other makes.

B examples, L positions or H x W of a grid, D channels.
"""

from typing import Any

from keras import ops

from t2t_mm.layers.layer import Layer


class Dense(Layer):
    """ReLU(x W + b)."""

    def build(self, width: int) -> None:
        self.weight_DD = self.add_weight(shape=(width, width), initializer="glorot_uniform", name="weight")
        self.shift_D = self.add_weight(shape=(width,), initializer="zeros", name="shift")

    def call(self, x_BLD: Any) -> Any:
        """float[B, L, D] to float[B, L, D]."""
        return ops.relu(ops.matmul(x_BLD, self.weight_DD) + self.shift_D)


class Conv(Layer):
    """A convolution of 3 x 3 with zeros around the edges, ReLU, and the maximum of every 2 x 2.

    A last row or column without a partner is dropped, as Keras' MaxPooling2D does.
    """

    def build(self, width: int) -> None:
        self.weight_33DD = self.add_weight(shape=(3, 3, width, width), initializer="glorot_uniform", name="weight")
        self.shift_D = self.add_weight(shape=(width,), initializer="zeros", name="shift")

    def call(self, x_BHWD: Any) -> Any:
        """float[B, H, W, D] to float[B, H // 2, W // 2, D]."""
        y_BHWD = ops.conv(x_BHWD, ops.cast(self.weight_33DD, x_BHWD.dtype), padding="same") + self.shift_D
        return ops.max_pool(ops.relu(y_BHWD), 2, strides=2, padding="valid")


LAYERS: dict[str, type[Dense] | type[Conv]] = {"dense": Dense, "conv": Conv}


class Core(Layer):
    """`count` layers of a kind."""

    def __init__(self, kind: str, count: int, *, name: str) -> None:
        super().__init__(name=name)
        self.stack = [LAYERS[kind](name=f"layer_{j}") for j in range(1, count + 1)]

    def build(self, width: int) -> None:
        for layer in self.stack:
            layer.build(width)
