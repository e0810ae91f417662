"""Convolutions over images and spectra: the convolution step, the residual block and max pooling.

B examples, H rows, W columns, C input channels, F output channels. A spectrum is an image whose rows are frames and
whose columns are frequencies; a waveform is an image with one column. If rows may be padding, `real_BH` is the padding
mask, True for real rows: padding is set to zero before every convolution and counts as minus infinity in every pool. H
must then be even wherever the stride is 2, so that the windows have the same offset for every amount of padding.
"""

from typing import Any

import keras
from keras import ops

from t2t_mm.layers.layer import Layer
from t2t_mm.layers.norm import LayerNorm

MINUS_INFINITY = -1e9

Sides = tuple[int, int]  # along rows, along columns


class ImageConvStep(Layer):
    """The step LN(Conv(ReLU(x))) in two dimensions, with SAME padding.

    If `separable`, it is a depthwise separable convolution, as in the paper's ConvStep; otherwise an ordinary one.
    `relu` is off for raw pixels, spectra and audio samples, because ReLU would discard half of them.
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
        """Map float[B, H, W, C] to float[B, ceil(H / stride), ceil(W / stride), F]."""
        if real_BH is not None and self.kernel != (1, 1):
            x_BHWC = x_BHWC * ops.cast(real_BH, x_BHWC.dtype)[:, :, None, None]
        x_BHWC = ops.relu(x_BHWC) if self.relu else x_BHWC  # after the mask: only the output is kept for the gradient
        if not self.separable:
            return self.norm(ops.conv(x_BHWC, self.taps, strides=self.stride, padding="same"))
        if self.kernel != (1, 1):
            x_BHWC = ops.depthwise_conv(x_BHWC, self.taps, strides=self.stride, padding="same")
        elif self.stride != (1, 1):
            x_BHWC = x_BHWC[:, :: self.stride[0], :: self.stride[1]]
        return self.norm(ops.matmul(x_BHWC, self.pointwise_CF))


class ConvRes(Layer):
    """Residual block: MaxPool(two steps) + a 1x1 step with the pool's stride (arXiv 1706.05137, section 2.5.2).

    Images use 3x3 windows and stride 2. `raw` is for signed input that no convolution has processed yet: the first step
    is then an ordinary convolution, without ReLU before it.
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
        """Map float[B, H, W, C] to float[B, ceil(H / stride), ceil(W / stride), F]."""
        y_BHWF = self.second(self.first(x_BHWC, real_BH), real_BH)
        return max_pool(y_BHWF, real_BH, self.window, self.stride) + self.shortcut(x_BHWC)


def max_pool(x_BHWC: Any, real_BH: Any = None, window: Sides = (3, 3), stride: Sides = (2, 2)) -> Any:
    """Return the maximum of each window, with SAME padding. Padding of both kinds counts as minus infinity."""
    if real_BH is not None:
        x_BHWC = ops.where(real_BH[:, :, None, None], x_BHWC, MINUS_INFINITY)
    return ops.max_pool(x_BHWC, window, strides=stride, padding="same")


def _sides(size: int | Sides) -> Sides:
    return (size, size) if isinstance(size, int) else size
