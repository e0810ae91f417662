"""Input net of images: the Xception entry flow (arXiv 1706.05137, section 2.5.2)."""

from typing import Any

from keras import ops

from t2t_mm.errors import UserError
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.image_conv import ConvRes, ImageConvStep
from t2t_mm.layers.sequence import Seq
from t2t_mm.modalities.base import InputNet, Tensors

STRIDE = 16  # pixels: side of the square that one position stands for


class Image(InputNet):
    """Input net of images: a grid of vectors, 16 times smaller on each side, flattened in raster order.

    Pixels are standardised per image. The first convolution is an ordinary one without ReLU, since ReLU would discard
    half of a signed input. Channels grow 32, 64, min(128, D), min(256, D), D.
    """

    def build(self) -> None:
        if (patch := self.hparams.data.image_patch) != STRIDE:
            raise UserError(
                f"This model halves images by convolutions, so image_patch must be {STRIDE}. Received: {patch}."
            )
        d = self.hidden_size
        self.flow = [
            ImageConvStep(32, 3, stride=2, separable=False, relu=False, name="step_1"),
            ImageConvStep(64, 3, name="step_2"),
            ConvRes(min(128, d), name="res_1"),
            ConvRes(min(256, d), name="res_2"),
            ConvRes(d, name="res_3"),
        ]
        for layer, width in zip(self.flow, (3, 32, 64, min(128, d), min(256, d)), strict=True):
            layer.build(width)

    def bottom(self, arrays: Tensors, forward: Forward) -> Seq:
        """Turn {"pixels": uint8[B, H, W, 3]} into Seq[B, ceil(H / 16) * ceil(W / 16), D] with its grid."""
        x = ops.cast(standardised(arrays["pixels"]), forward.dtype)
        for layer in self.flow:
            x = layer(x)
        height, width = x.shape[1], x.shape[2]
        vectors_BLD = ops.reshape(x, (-1, height * width, self.hidden_size))
        return Seq(vectors_BLD, ops.ones(ops.shape(vectors_BLD)[:2], "bool"), grid=(height, width))


def standardised(pixels_BHWC: Any) -> Any:
    """Return each image at mean 0 and standard deviation 1.

    The deviation counts as at least 1 / sqrt(number of values) of the range from black to white, so that a flat image
    stays flat.
    """
    x_BHWC = ops.cast(pixels_BHWC, "float32")
    size = x_BHWC.shape[1] * x_BHWC.shape[2] * x_BHWC.shape[3]
    centred = x_BHWC - ops.mean(x_BHWC, axis=(1, 2, 3), keepdims=True)
    deviation = ops.sqrt(ops.mean(ops.square(centred), axis=(1, 2, 3), keepdims=True))
    return centred / ops.maximum(deviation, 255.0 * size**-0.5)
