"""Target net of classes: the exit flow, which reads the encoder's memory (arXiv 1706.05137, section 2.5.3)."""

from typing import Any

from keras import ops

from t2t_mm.layers.conv import ConvStep
from t2t_mm.layers.image_conv import ImageConvStep, max_pool
from t2t_mm.layers.layer import Layer
from t2t_mm.layers.sequence import Seq, zero_pads
from t2t_mm.modalities.class_head import ClassHead
from t2t_mm.modalities.text import Table

STRIDE = 4  # along a sequence, as in Tensor2Tensor
MINUS_INFINITY = -1e9


class ExitGrid(Layer):
    """The exit flow over an image's grid: skip and max-pool halve it, then the widths are 1.5 D and 2 D.

    At the paper's D = 1,024 these are 1,536 and 2,048.
    """

    def build(self, width: int) -> None:
        self.skip = ImageConvStep(width, 3, stride=2, name="skip")
        self.steps = [
            ImageConvStep(size, 3, name=f"step_{i}")
            for i, size in enumerate((width, width, width * 3 // 2, width * 2), start=1)
        ]
        self.skip.build(width)
        for step, size in zip(self.steps, (width, width, width, width * 3 // 2), strict=True):
            step.build(size)

    def call(self, memory: Seq) -> Any:
        """Turn Seq[B, H * W, D] into float[B, 2 D]."""
        height, width = memory.grid or (0, 0)
        x = ops.reshape(memory.values_BLD, (-1, height, width, memory.values_BLD.shape[-1]))
        one, two, three, four = self.steps
        x = self.skip(x) + max_pool(two(one(x)))
        return ops.mean(ops.relu(four(three(x))), axis=(1, 2))


class ExitLine(Layer):
    """The exit flow along a sequence: five taps and stride 4. Pads are left out of every convolution and pool."""

    def build(self, width: int) -> None:
        self.skip = ConvStep(width, 5, name="skip")
        self.steps = [
            ConvStep(size, 5, name=f"step_{i}")
            for i, size in enumerate((width, width, width * 3 // 2, width * 2), start=1)
        ]
        self.skip.build(width)
        for step, size in zip(self.steps, (width, width, width, width * 3 // 2), strict=True):
            step.build(size)

    def call(self, memory: Seq) -> Any:
        """Turn Seq[B, L, D] into float[B, 2 D]; L is 1 or more."""
        x_BLD, real_BL = memory.values_BLD, memory.real_BL
        one, two, three, four = self.steps
        skip_BMD = self.skip(x_BLD, real_BL)[:, ::STRIDE]
        x_BMD = skip_BMD + pool(two(one(x_BLD, real_BL), real_BL), real_BL)
        real_BM = real_BL[:, ::STRIDE]
        x_BMF = ops.relu(four(three(x_BMD, real_BM), real_BM))
        count_B1 = ops.maximum(ops.sum(ops.cast(real_BM, x_BMF.dtype), axis=1, keepdims=True), 1.0)
        return ops.sum(zero_pads(x_BMF, real_BM), axis=1) / count_B1


def pool(x_BLD: Any, real_BL: Any) -> Any:
    """Return float[B, ceil(L / 4), D]: entry m is the maximum over positions 4 m to 4 m + 4 that are not pads."""
    x_BLD = ops.where(real_BL[..., None], x_BLD, MINUS_INFINITY)
    x_BLD = ops.pad(x_BLD, [[0, 0], [0, STRIDE], [0, 0]], constant_values=MINUS_INFINITY)
    return ops.max_pool(x_BLD, STRIDE + 1, strides=STRIDE, padding="valid")


class Label(ClassHead):
    """A class from all positions of the memory: the exit flow, then a row of 2 D weights for each class, without bias.

    Every net has both flows, over grids and along sequences, so that problems with images and problems with sequences
    can share a set of classes.
    """

    def build(self) -> None:
        self.grid = ExitGrid(name="grid")
        self.line = ExitLine(name="line")
        self.score = Table(name="score")
        self.grid.build(self.hidden_size)
        self.line.build(self.hidden_size)
        self.score.build((self.port.size, 2 * self.hidden_size))

    def read(self, memory: Seq) -> Any:
        return self.line(memory) if memory.grid is None else self.grid(memory)

    def rows(self) -> Any:
        return ops.convert_to_tensor(self.score.rows_VD)
