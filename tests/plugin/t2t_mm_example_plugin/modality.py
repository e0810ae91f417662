"""The modality net: each number becomes a vector."""

from typing import Any

from keras import ops

from t2t_mm.layers.forward import Forward
from t2t_mm.layers.sequence import Seq, zero_pads
from t2t_mm.modalities.base import Loss, Modality, Tensors, one_way


class Series(Modality):
    """Numbers in: a number times one vector plus another, through ReLU. They are read only."""

    autoregressive = False

    def build(self) -> None:
        self.scale_D = self.add_weight(shape=(self.hidden_size,), initializer="random_normal", name="scale")
        self.shift_D = self.add_weight(shape=(self.hidden_size,), initializer="random_normal", name="shift")

    def bottom(self, arrays: Tensors, forward: Forward) -> Seq:
        """{"values": float32[B, L], "lengths": int32[B]} to Seq[B, L, D]."""
        values_BL = arrays["values"]
        real_BL = ops.arange(ops.shape(values_BL)[1])[None, :] < arrays["lengths"][:, None]
        return Seq(zero_pads(ops.relu(values_BL[..., None] * self.scale_D + self.shift_D), real_BL), real_BL)

    def targets_bottom(self, arrays: Tensors, forward: Forward) -> Seq:
        raise one_way(self, "targets")

    def top(self, body: Seq) -> Any:
        raise one_way(self, "targets")

    def loss(self, body: Seq, arrays: Tensors, smoothing: float) -> Loss:
        raise one_way(self, "targets")

    def labels(self, arrays: Tensors) -> tuple[Any, Any]:
        raise one_way(self, "targets")
