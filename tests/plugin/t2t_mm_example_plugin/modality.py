"""The modality net: each number becomes a vector."""

from keras import ops

from t2t_mm.layers.forward import Forward
from t2t_mm.layers.sequence import Seq, zero_pads
from t2t_mm.modalities.base import InputNet, Tensors


class Series(InputNet):
    """Input net of numbers: ReLU(x * scale + shift) of each number x, with learned vectors `scale` and `shift`."""

    def build(self) -> None:
        self.scale_D = self.add_weight(shape=(self.hidden_size,), initializer="random_normal", name="scale")
        self.shift_D = self.add_weight(shape=(self.hidden_size,), initializer="random_normal", name="shift")

    def bottom(self, arrays: Tensors, forward: Forward) -> Seq:
        """Turn {"values": float32[B, L], "lengths": int32[B]} into Seq[B, L, D]."""
        values_BL = arrays["values"]
        real_BL = ops.arange(ops.shape(values_BL)[1])[None, :] < arrays["lengths"][:, None]
        return Seq(zero_pads(ops.relu(values_BL[..., None] * self.scale_D + self.shift_D), real_BL), real_BL)
