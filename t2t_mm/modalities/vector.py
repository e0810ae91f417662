"""Vectors of numbers in: one position of the body (arXiv 1711.00108, section 4). B examples, F features, D channels."""

from typing import Any

from keras import ops

from t2t_mm.errors import UserError
from t2t_mm.feature import Port
from t2t_mm.hparam_set import HparamSet
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.sequence import Seq
from t2t_mm.modalities.base import Loss, Modality, Tensors, one_way


class Vector(Modality):
    """{"values": float32[B, F]} to one vector, x W + b."""

    autoregressive = False

    def build(self) -> None:
        shape = (self.port.size, self.hidden_size)
        self.weight_FD = self.add_weight(shape=shape, initializer="glorot_uniform", name="weight")
        self.shift_D = self.add_weight(shape=(self.hidden_size,), initializer="zeros", name="shift")

    def bottom(self, arrays: Tensors, forward: Forward) -> Seq:
        """To Seq[B, 1, D]."""
        x_BF = ops.cast(arrays["values"], forward.dtype)
        y_B1D = (ops.matmul(x_BF, self.weight_FD) + self.shift_D)[:, None]
        return Seq(y_B1D, ops.ones(ops.shape(y_B1D)[:2], "bool"))

    def targets_bottom(self, arrays: Tensors, forward: Forward) -> Seq:
        raise one_way(self, "targets")

    def top(self, body: Seq) -> Any:
        raise one_way(self, "targets")

    def loss(self, body: Seq, arrays: Tensors, smoothing: float) -> Loss:
        raise one_way(self, "targets")

    def labels(self, arrays: Tensors) -> tuple[Any, Any]:
        raise one_way(self, "targets")


class VectorRelu(Vector):
    """ReLU(x W + b): the encoder of soft ordering's tasks, whose first shared layer it feeds."""

    def __init__(self, port: Port, hidden_size: int, hparams: HparamSet, *, name: str) -> None:
        """Raises UserError where the core is one of convolutions, to which a vector says nothing."""
        super().__init__(port, hidden_size, hparams, name=name)
        if hparams.body.core != "dense":
            raise UserError(f"Vectors are read by core=dense. Received: core={hparams.body.core}.")

    def bottom(self, arrays: Tensors, forward: Forward) -> Seq:
        linear = super().bottom(arrays, forward)
        return linear.with_values(ops.relu(linear.values_BLD))
