"""Convolutions over pictures and spectra: the step, the residual block and their pools.

B examples, H rows, W columns, C channels in, F channels out. A spectrum is a picture whose rows are moments and whose
columns are frequencies; a waveform one with a single column. Where rows may be pads, `real_BH` says which are not: pads
are zeroed before every convolution and count as minus infinity in every pool, and H must be even where rows are halved,
so that a window lies alike whatever the padding.
"""

from typing import Any

import keras
from keras import ops

from t2t_mm.layers.layer import Layer
from t2t_mm.layers.norm import LayerNorm

MINUS_INFINITY = -1e9

Sides = tuple[int, int]  # along rows, along columns


class ImageConvStep(Layer):
    """LN(Conv(ReLU(x))), SAME, in two dimensions.

    `separable`: depthwise then pointwise, as the paper's ConvStep; otherwise an ordinary convolution. `relu` is off for
    raw pixels, spectra and samples, of which it would throw half away.
    """

    def __init__(
        self,
        size: int,
        kernel: int | Sides,
        *,
        stride: int | Sides = 1,
        separable: bool = True,
        relu: bool = True,
        name: str,
    ) -> None:
        super().__init__(name=name)
        self.size, self.kernel, self.stride = size, _sides(kernel), _sides(stride)
        self.separable, self.relu = separable, relu
        self.norm = LayerNorm(name="norm")

    def build(self, width: int) -> None:
        area = self.kernel[0] * self.kernel[1]
        if not self.separable:
            self.taps = self.add_weight(shape=(*self.kernel, width, self.size), initializer="he_normal", name="kernel")
        else:
            if area > 1:
                reach = (3.0 / area) ** 0.5
                uniform = keras.initializers.RandomUniform(-reach, reach)
                self.taps = self.add_weight(shape=(*self.kernel, width, 1), initializer=uniform, name="depthwise")
            self.pointwise_CF = self.add_weight(shape=(width, self.size), initializer="he_normal", name="pointwise")
        self.norm.build(self.size)

    def call(self, x_BHWC: Any, real_BH: Any = None) -> Any:
        """float[B, H, W, C] to float[B, ceil(H / stride), ceil(W / stride), F]."""
        if real_BH is not None and self.kernel != (1, 1):
            x_BHWC = x_BHWC * ops.cast(real_BH, x_BHWC.dtype)[:, :, None, None]
        x_BHWC = ops.relu(x_BHWC) if self.relu else x_BHWC  # behind the mask: its output alone is kept for the gradient
        if not self.separable:
            return self.norm(ops.conv(x_BHWC, self.taps, strides=self.stride, padding="same"))
        if self.kernel != (1, 1):
            x_BHWC = ops.depthwise_conv(x_BHWC, self.taps, strides=self.stride, padding="same")
        elif self.stride != (1, 1):
            x_BHWC = x_BHWC[:, :: self.stride[0], :: self.stride[1]]
        return self.norm(ops.matmul(x_BHWC, self.pointwise_CF))


class ConvRes(Layer):
    """MaxPool(two steps) + a 1x1 step of the pool's stride (arXiv 1706.05137, section 2.5.2).

    3x3 windows and stride 2 for pictures. `raw`: the input is signed and no convolution has seen it yet, so the first
    step is an ordinary convolution and nothing is rectified before it.
    """

    def __init__(
        self, size: int, *, window: int | Sides = 3, stride: int | Sides = 2, raw: bool = False, name: str
    ) -> None:
        super().__init__(name=name)
        self.window, self.stride = _sides(window), _sides(stride)
        self.first = ImageConvStep(size, window, separable=not raw, relu=not raw, name="step_1")
        self.second = ImageConvStep(size, window, name="step_2")
        self.shortcut = ImageConvStep(size, 1, stride=stride, relu=not raw, name="shortcut")

    def build(self, width: int) -> None:
        self.first.build(width)
        self.second.build(self.first.size)
        self.shortcut.build(width)

    def call(self, x_BHWC: Any, real_BH: Any = None) -> Any:
        """float[B, H, W, C] to float[B, ceil(H / stride), ceil(W / stride), F]."""
        y_BHWF = self.second(self.first(x_BHWC, real_BH), real_BH)
        return halve(y_BHWF, real_BH, self.window, self.stride) + self.shortcut(x_BHWC)


def halve(x_BHWC: Any, real_BH: Any = None, window: Sides = (3, 3), stride: Sides = (2, 2)) -> Any:
    """The maximum of each window, SAME; what is outside or a pad counts as minus infinity."""
    if real_BH is not None:
        x_BHWC = ops.where(real_BH[:, :, None, None], x_BHWC, MINUS_INFINITY)
    return ops.max_pool(x_BHWC, window, strides=stride, padding="same")


def _sides(size: int | Sides) -> Sides:
    return (size, size) if isinstance(size, int) else size
