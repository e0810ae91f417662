"""Input nets of images that are read as a sequence: of pixels, or of rows of pixels.

B examples, L positions, C numbers at each, D channels.
"""

from typing import Any

from keras import ops

from t2t_mm.errors import UserError
from t2t_mm.feature import Port
from t2t_mm.hparam_set import HparamSet
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.sequence import Seq, zero_pads
from t2t_mm.modalities.base import InputNet, Tensors


class Scan(InputNet):
    """{"values": uint8[B, L, C], "lengths": int32[B]}, scaled to 0 (black) ... 1 (white): x W + b of each position."""

    def build(self) -> None:
        self.weight_CD = self.add_weight(
            shape=(self.port.size, self.hidden_size), initializer="glorot_uniform", name="weight"
        )
        self.shift_D = self.add_weight(shape=(self.hidden_size,), initializer="zeros", name="shift")

    def bottom(self, arrays: Tensors, forward: Forward) -> Seq:
        """Return Seq[B, L, D]."""
        x_BLC = ops.cast(ops.cast(arrays["values"], "float32") * (1 / 255), forward.dtype)
        real_BL = ops.arange(ops.shape(x_BLC)[1])[None, :] < arrays["lengths"][:, None]
        return Seq(zero_pads(self.vectors(x_BLC), real_BL), real_BL)

    def vectors(self, x_BLC: Any) -> Any:
        """Turn float[B, L, C] into float[B, L, D]."""
        return ops.matmul(x_BLC, self.weight_CD) + self.shift_D


class ScanPlain(Scan):
    """The numbers themselves in the first C of D channels, for a body that begins with a matrix of its own.

    Then an LSTM's W_x is in effect C x 4 D, as in arXiv 1603.09025, section 5.1.
    """

    def __init__(self, port: Port, hidden_size: int, hparams: HparamSet, *, name: str) -> None:
        """Raises UserError if a position has more numbers than the body has channels."""
        super().__init__(port, hidden_size, hparams, name=name)
        if port.size > hidden_size:
            raise UserError(
                f"hidden_size must be at least {port.size}, the numbers read at each position. Received: {hidden_size}."
            )

    def build(self) -> None:
        """Make no weights."""

    def vectors(self, x_BLC: Any) -> Any:
        return ops.pad(x_BLC, [[0, 0], [0, 0], [0, self.hidden_size - self.port.size]])
