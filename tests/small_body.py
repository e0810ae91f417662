"""The smallest body, for tests of training: their steps are taken operation by operation, and it has few of them."""

from dataclasses import dataclass
from typing import Any

from keras import ops

from t2t_mm.layers.forward import Forward
from t2t_mm.layers.sequence import Seq
from t2t_mm.models.body import Body, State


@dataclass(frozen=True, kw_only=True)
class SmallHparams:
    """The width, of a SmallBody."""

    hidden_size: int = 8


class SmallBody(Body):
    """One matrix for inputs, another for previous outputs, which are summed up; a class is read at the last input."""

    modality_nets = {"label": "label_last"}

    def __init__(self, hparams: SmallHparams, *, name: str = "body") -> None:
        super().__init__(name=name)
        self.hparams = hparams

    def build(self, width: int) -> None:
        self.inputs_DD = self.add_weight(shape=(width, width), initializer="glorot_uniform", name="inputs")
        self.outputs_DD = self.add_weight(shape=(width, width), initializer="glorot_uniform", name="outputs")

    def encode(self, source: Seq, forward: Forward) -> Seq:
        return source.with_values(ops.tanh(ops.matmul(source.values_BLD, self.inputs_DD)))

    def decode(self, memory: Seq, target: Seq, forward: Forward) -> Seq:
        return target.with_values(ops.cumsum(ops.matmul(target.values_BLD, self.outputs_DD), axis=1))

    def start(self, memory: Seq, positions: int) -> State:
        return {"sum": ops.zeros_like(memory.values_BLD[:, 0])}

    def step(self, state: State, x_B1D: Any) -> tuple[Any, State]:
        sum_BD = state["sum"] + ops.matmul(x_B1D, self.outputs_DD)[:, 0]
        return sum_BD[:, None], {"sum": sum_BD}

    def select(self, state: State, rows_B: Any) -> State:
        return {"sum": ops.take(state["sum"], rows_B, axis=0)}
