"""Pictures in: cut into patches, each projected to a vector (arXiv 2010.11929, section 3.1).

B examples of H rows and W columns of pixels, patches of S by S pixels, L of them, P = 3 S^2 numbers in each.
"""

from typing import Any

from keras import ops

from t2t_mm.errors import UserError
from t2t_mm.feature import Port
from t2t_mm.hparam_set import HparamSet
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.grid_positions import GridPositions
from t2t_mm.layers.sequence import Seq
from t2t_mm.modalities.base import Loss, Modality, Tensors, one_way


class ImagePatches(Modality):
    """x_p E + E_pos of each patch: the patches of equation 1, which the body's class token joins.

    `image_patch` is S. Pixels come between -1 and 1, as in the authors' code; the projection has no bias, as in the
    equation. From a net of another `image_size` positions are interpolated.
    """

    autoregressive = False

    def __init__(self, port: Port, hidden_size: int, hparams: HparamSet, *, name: str) -> None:
        """Raises UserError where patches do not divide the picture."""
        super().__init__(port, hidden_size, hparams, name=name)
        size, patch = hparams.data.image_size, hparams.data.image_patch
        if size % patch:
            raise UserError(
                f"Patches of {patch} x {patch} pixels do not divide pictures of {size} x {size}: image_size must be a "
                f"multiple of image_patch. Set either with --hparams, such as image_size={-(-size // patch) * patch}."
            )
        self.positions = GridPositions(size // patch, name="positions")

    def build(self) -> None:
        shape = (3 * self.hparams.data.image_patch**2, self.hidden_size)
        self.embed_PD = self.add_weight(shape=shape, initializer="lecun_normal", name="embed")
        self.positions.build(self.hidden_size)

    def bottom(self, arrays: Tensors, forward: Forward) -> Seq:
        """{"pixels": uint8[B, H, W, 3]} to Seq[B, L, D] with its grid."""
        size, side = self.hparams.data.image_size, self.positions.side
        pixels_BHWC = arrays["pixels"]
        if tuple(pixels_BHWC.shape[1:]) != (size, size, 3):
            raise ValueError(f"pictures are [{size}, {size}, 3]; received {list(pixels_BHWC.shape[1:])}")
        x_BHWC = ops.cast(pixels_BHWC, "float32") / 127.5 - 1.0
        x_BLP = cut(ops.cast(x_BHWC, forward.dtype), self.hparams.data.image_patch)
        x_BLD = ops.matmul(x_BLP, self.embed_PD)
        x_BLD = x_BLD + ops.cast(self.positions(), x_BLD.dtype)
        return Seq(x_BLD, ops.ones(ops.shape(x_BLD)[:2], "bool"), grid=(side, side))

    def targets_bottom(self, arrays: Tensors, forward: Forward) -> Seq:
        raise one_way(self, "targets")

    def top(self, body: Seq) -> Any:
        raise one_way(self, "targets")

    def loss(self, body: Seq, arrays: Tensors, smoothing: float) -> Loss:
        raise one_way(self, "targets")

    def labels(self, arrays: Tensors) -> tuple[Any, Any]:
        raise one_way(self, "targets")


def cut(x_BHWC: Any, side: int) -> Any:
    """float[B, H, W, C] to patches float[B, L, S * S * C]: in raster order, and so are the pixels of each."""
    _, height, width, channels = x_BHWC.shape
    rows, columns = height // side, width // side
    x = ops.reshape(x_BHWC, (-1, rows, side, columns, side, channels))
    return ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, rows * columns, side * side * channels))
