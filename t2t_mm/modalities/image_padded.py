"""Pictures in as they are: each pixel a position, its colours the first channels (arXiv 1711.00108, section 5).

B examples, H x W pixels, D channels.
"""

from typing import Any

from keras import ops

from t2t_mm.errors import UserError
from t2t_mm.feature import Port
from t2t_mm.hparam_set import HparamSet
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.sequence import Seq
from t2t_mm.modalities.base import Loss, Modality, Tensors, one_way

COLOURS = 3


class ImagePadded(Modality):
    """{"pixels": uint8[B, H, W, 3]}, black to white 1 apart, in the first 3 of D channels. Nothing is learnt.

    The mean of a picture is 0, so that paper is near the zeros around its edges and in the other channels: of white
    paper as 1 the layers would make large numbers that differ by a thirtieth from picture to picture.
    """

    autoregressive = False

    def __init__(self, port: Port, hidden_size: int, hparams: HparamSet, *, name: str) -> None:
        """Raises UserError where the core is dense, or has fewer channels than a pixel has colours."""
        super().__init__(port, hidden_size, hparams, name=name)
        if hparams.body.core != "conv":
            raise UserError(f"Pictures are read by core=conv. Received: core={hparams.body.core}.")
        if hidden_size < COLOURS:
            raise UserError(f"hidden_size must be at least {COLOURS}, a pixel's colours. Received: {hidden_size}.")

    def build(self) -> None:
        """There is nothing to learn."""

    def bottom(self, arrays: Tensors, forward: Forward) -> Seq:
        """To Seq[B, H * W, D] with its grid."""
        x_BHWC = ops.cast(arrays["pixels"], "float32") * (1 / 255)
        x_BHWC = ops.cast(x_BHWC - ops.mean(x_BHWC, axis=(1, 2, 3), keepdims=True), forward.dtype)
        height, width = x_BHWC.shape[1], x_BHWC.shape[2]
        x_BLC = ops.reshape(x_BHWC, (-1, height * width, COLOURS))
        x_BLD = ops.pad(x_BLC, [[0, 0], [0, 0], [0, self.hidden_size - COLOURS]])
        return Seq(x_BLD, ops.ones(ops.shape(x_BLD)[:2], "bool"), grid=(height, width))

    def targets_bottom(self, arrays: Tensors, forward: Forward) -> Seq:
        raise one_way(self, "targets")

    def top(self, body: Seq) -> Any:
        raise one_way(self, "targets")

    def loss(self, body: Seq, arrays: Tensors, smoothing: float) -> Loss:
        raise one_way(self, "targets")

    def labels(self, arrays: Tensors) -> tuple[Any, Any]:
        raise one_way(self, "targets")
