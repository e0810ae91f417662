"""Convolutions over pictures: the step, the residual block and the entry and exit flows' pools.

B examples, H rows, W columns, C channels in, F channels out.
"""

from typing import Any

import keras
from keras import ops

from t2t_mm.layers.norm import LayerNorm
from t2t_mm.layers.part import Part


class PictureStep(Part):
    """LN(Conv(ReLU(x))), SAME, in two dimensions.

    `separable`: depthwise then pointwise, as the paper's ConvStep; otherwise an ordinary convolution. `relu` is off for
    raw pixels, of which it would throw half away.
    """

    def __init__(
        self, size: int, kernel: int, *, stride: int = 1, separable: bool = True, relu: bool = True, name: str
    ) -> None:
        super().__init__(name=name)
        self.size, self.kernel, self.stride, self.separable, self.relu = size, kernel, stride, separable, relu
        self.norm = LayerNorm(name="norm")

    def build(self, width: int) -> None:
        k = self.kernel
        if not self.separable:
            self.taps = self.add_weight(shape=(k, k, width, self.size), initializer="he_normal", name="kernel")
        else:
            if k > 1:
                reach = 3.0**0.5 / k
                uniform = keras.initializers.RandomUniform(-reach, reach)
                self.taps = self.add_weight(shape=(k, k, width, 1), initializer=uniform, name="depthwise")
            self.pointwise_CF = self.add_weight(shape=(width, self.size), initializer="he_normal", name="pointwise")
        self.norm.build(self.size)

    def call(self, x_BHWC: Any) -> Any:
        """float[B, H, W, C] to float[B, ceil(H / stride), ceil(W / stride), F]."""
        x_BHWC = ops.relu(x_BHWC) if self.relu else x_BHWC
        if not self.separable:
            return self.norm(ops.conv(x_BHWC, self.taps, strides=self.stride, padding="same"))
        if self.kernel > 1:
            x_BHWC = ops.depthwise_conv(x_BHWC, self.taps, strides=self.stride, padding="same")
        elif self.stride > 1:
            x_BHWC = x_BHWC[:, :: self.stride, :: self.stride]
        return self.norm(ops.matmul(x_BHWC, self.pointwise_CF))


class ConvRes(Part):
    """MaxPool_2(two 3x3 steps) + a 1x1 step of stride 2 (arXiv 1706.05137, section 2.5.2)."""

    def __init__(self, size: int, *, name: str) -> None:
        super().__init__(name=name)
        self.first = PictureStep(size, 3, name="step_1")
        self.second = PictureStep(size, 3, name="step_2")
        self.shortcut = PictureStep(size, 1, stride=2, name="shortcut")

    def build(self, width: int) -> None:
        self.first.build(width)
        self.second.build(self.first.size)
        self.shortcut.build(width)

    def call(self, x_BHWC: Any) -> Any:
        """float[B, H, W, C] to float[B, ceil(H / 2), ceil(W / 2), F]."""
        return halve(self.second(self.first(x_BHWC))) + self.shortcut(x_BHWC)


def halve(x_BHWC: Any) -> Any:
    """The maximum of each 3x3 window, at stride 2, SAME (outside counts as minus infinity)."""
    return ops.max_pool(x_BHWC, 3, strides=2, padding="same")
