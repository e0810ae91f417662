"""Input net of images: they are cut into patches, each projected to a vector (arXiv 2010.11929, section 3.1).

B examples of H rows and W columns of pixels, L patches of S by S pixels, P = 3 S^2 numbers in each.
"""

from typing import Any

from keras import ops

from t2t_mm.errors import UserError
from t2t_mm.feature import Port
from t2t_mm.hparam_set import HparamSet
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.positions import GridPositions
from t2t_mm.layers.sequence import Seq
from t2t_mm.modalities.base import InputNet, Tensors


class ImagePatches(InputNet):
    """Input net of images: x_p E + E_pos of each patch, as in equation 1. The body adds the class token.

    `image_patch` is S. Pixel values are scaled to -1 ... 1, as in the authors' code. The projection has no bias, as in
    the equation. Weights from a net of another `image_size` are adapted: positions are interpolated.
    """

    def __init__(self, port: Port, hidden_size: int, hparams: HparamSet, *, name: str) -> None:
        """Raises UserError if the image cannot be cut into whole patches."""
        super().__init__(port, hidden_size, hparams, name=name)
        size, patch = hparams.data.image_size, hparams.data.image_patch
        if size % patch:
            raise UserError(
                f"Patches of {patch} x {patch} pixels do not divide images of {size} x {size}: image_size must be a "
                f"multiple of image_patch. Set either with --hparams, such as image_size={-(-size // patch) * patch}."
            )
        self.positions = GridPositions(size // patch, name="positions")

    def build(self) -> None:
        shape = (3 * self.hparams.data.image_patch**2, self.hidden_size)
        self.embed_PD = self.add_weight(shape=shape, initializer="lecun_normal", name="embed")
        self.positions.build(self.hidden_size)

    def bottom(self, arrays: Tensors, forward: Forward) -> Seq:
        """Turn {"pixels": uint8[B, H, W, 3]} into Seq[B, L, D] with its grid."""
        size, side = self.hparams.data.image_size, self.positions.side
        pixels_BHWC = arrays["pixels"]
        if tuple(pixels_BHWC.shape[1:]) != (size, size, 3):
            raise ValueError(f"images must be [{size}, {size}, 3]; received {list(pixels_BHWC.shape[1:])}")
        x_BHWC = ops.cast(pixels_BHWC, "float32") / 127.5 - 1.0
        x_BLP = cut(ops.cast(x_BHWC, forward.dtype), self.hparams.data.image_patch)
        x_BLD = ops.matmul(x_BLP, self.embed_PD)
        x_BLD = x_BLD + ops.cast(self.positions(), x_BLD.dtype)
        return Seq(x_BLD, ops.ones(ops.shape(x_BLD)[:2], "bool"), grid=(side, side))


def cut(x_BHWC: Any, side: int) -> Any:
    """Cut images into patches float[B, L, S * S * C]. Patches, and the pixels of each, are in raster order."""
    _, height, width, channels = x_BHWC.shape
    rows, columns = height // side, width // side
    x = ops.reshape(x_BHWC, (-1, rows, side, columns, side, channels))
    return ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, rows * columns, side * side * channels))
