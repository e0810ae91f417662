"""The convolution module (arXiv 2005.08100, section 2.2 and figure 2). B examples, L positions, D channels, K taps."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from t2t_mm.layers.batch_norm import BatchNorm
from t2t_mm.layers.depthwise import depthwise_conv1d
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.layer import Layer
from t2t_mm.layers.sequence import zero_pads


class ConvolutionModule(Layer):
    """Pointwise to 2 D, GLU, depthwise, batch norm, swish, pointwise; the norm before it is the block's.

    GLU(a, b) = a sigmoid(b). An even number of taps reaches one position further ahead than back: 32 taps see 15
    positions before and 16 behind. The depthwise convolution has no bias, which the batch norm would take away.
    """

    def __init__(self, taps: int, *, name: str) -> None:
        super().__init__(name=name)
        self.taps = taps
        self.norm = BatchNorm(name="batch_norm")

    def build(self, width: int, problems: Sequence[str]) -> None:
        """`problems`: as BatchNorm's."""
        reach = (3.0 / self.taps) ** 0.5
        uniform = keras.initializers.RandomUniform(-reach, reach)
        self.in_D2D = self.add_weight(shape=(width, 2 * width), initializer="glorot_uniform", name="in")
        self.in_shift_2D = self.add_weight(shape=(2 * width,), initializer="zeros", name="in_shift")
        self.taps_KD = self.add_weight(shape=(self.taps, width), initializer=uniform, name="depthwise")
        self.norm.build(width, problems)
        self.out_DD = self.add_weight(shape=(width, width), initializer="glorot_uniform", name="out")
        self.out_shift_D = self.add_weight(shape=(width,), initializer="zeros", name="out_shift")

    def call(self, x_BLD: Any, real_BL: Any, forward: Forward) -> Any:
        """float[B, L, D] to float[B, L, D]."""
        a_BLD, b_BLD = ops.split(ops.matmul(x_BLD, self.in_D2D) + self.in_shift_2D, 2, axis=-1)
        gated_BLD = zero_pads(a_BLD * ops.sigmoid(b_BLD), real_BL)
        mixed_BLD = depthwise_conv1d(gated_BLD, ops.convert_to_tensor(self.taps_KD))
        normal_BLD = ops.silu(self.norm(mixed_BLD, real_BL, forward))
        return ops.matmul(normal_BLD, self.out_DD) + self.out_shift_D
