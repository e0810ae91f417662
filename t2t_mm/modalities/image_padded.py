"""Input net of images without weights: each pixel is a position (arXiv 1711.00108, section 5).

B examples, H x W pixels, D channels.
"""

from keras import ops

from t2t_mm.errors import UserError
from t2t_mm.feature import Port
from t2t_mm.hparam_set import HparamSet
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.sequence import Seq
from t2t_mm.modalities.base import InputNet, Tensors

COLOURS = 3


class ImagePadded(InputNet):
    """Input net of images that learns nothing: the colours of a pixel are the first 3 of D channels, the rest are zero.

    Black and white are 1 apart. The mean of each image is subtracted, so that the background is near the zeros around
    the edges and in the other channels. Without that, the layers would turn the white background of drawings into large
    numbers, and those differ by only a thirtieth from image to image.
    """

    def __init__(self, port: Port, hidden_size: int, hparams: HparamSet, *, name: str) -> None:
        """Raises UserError if the core is dense, or has fewer channels than a pixel has colours."""
        super().__init__(port, hidden_size, hparams, name=name)
        if hparams.body.core != "conv":
            raise UserError(f"Images need core=conv. Received: core={hparams.body.core}.")
        if hidden_size < COLOURS:
            raise UserError(f"hidden_size must be at least {COLOURS}, a pixel's colours. Received: {hidden_size}.")

    def build(self) -> None:
        """Make no weights."""

    def bottom(self, arrays: Tensors, forward: Forward) -> Seq:
        """Turn {"pixels": uint8[B, H, W, 3]} into Seq[B, H * W, D] with its grid."""
        x_BHWC = ops.cast(arrays["pixels"], "float32") * (1 / 255)
        x_BHWC = ops.cast(x_BHWC - ops.mean(x_BHWC, axis=(1, 2, 3), keepdims=True), forward.dtype)
        height, width = x_BHWC.shape[1], x_BHWC.shape[2]
        x_BLC = ops.reshape(x_BHWC, (-1, height * width, COLOURS))
        x_BLD = ops.pad(x_BLC, [[0, 0], [0, 0], [0, self.hidden_size - COLOURS]])
        return Seq(x_BLD, ops.ones(ops.shape(x_BLD)[:2], "bool"), grid=(height, width))
