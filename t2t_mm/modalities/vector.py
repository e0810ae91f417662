"""Input nets of vectors of numbers: one position of the body (arXiv 1711.00108, section 4).

B examples, F numbers in each, D channels.
"""

from keras import ops

from t2t_mm.errors import UserError
from t2t_mm.feature import Port
from t2t_mm.hparam_set import HparamSet
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.sequence import Seq
from t2t_mm.modalities.base import InputNet, Tensors


class Vector(InputNet):
    """{"values": float32[B, F]} as one vector, x W + b."""

    def build(self) -> None:
        shape = (self.port.size, self.hidden_size)
        self.weight_FD = self.add_weight(shape=shape, initializer="glorot_uniform", name="weight")
        self.shift_D = self.add_weight(shape=(self.hidden_size,), initializer="zeros", name="shift")

    def bottom(self, arrays: Tensors, forward: Forward) -> Seq:
        """Return Seq[B, 1, D]."""
        x_BF = ops.cast(arrays["values"], forward.dtype)
        y_B1D = (ops.matmul(x_BF, self.weight_FD) + self.shift_D)[:, None]
        return Seq(y_B1D, ops.ones(ops.shape(y_B1D)[:2], "bool"))


class VectorRelu(Vector):
    """ReLU(x W + b): the encoder of a task in soft ordering, which feeds the first shared layer."""

    def __init__(self, port: Port, hidden_size: int, hparams: HparamSet, *, name: str) -> None:
        """Raises UserError if the core is made of convolutions, which need a grid."""
        super().__init__(port, hidden_size, hparams, name=name)
        if hparams.body.core != "dense":
            raise UserError(f"Vectors need core=dense. Received: core={hparams.body.core}.")

    def bottom(self, arrays: Tensors, forward: Forward) -> Seq:
        linear = super().bottom(arrays, forward)
        return linear.with_values(ops.relu(linear.values_BLD))
