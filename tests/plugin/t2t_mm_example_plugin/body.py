"""The body: the next output is predicted from the mean of the inputs and the mean of the outputs so far."""

from typing import Any

from keras import ops

from t2t_mm.layers.forward import Forward
from t2t_mm.layers.sequence import Seq, zero_pads
from t2t_mm.models.body import Body, State

from .hparams import RunningMeanHparams


class RunningMean(Body):
    """One matrix for inputs, another for previous outputs. It takes any modality as inputs and as targets."""

    def __init__(self, hparams: RunningMeanHparams, *, name: str = "body") -> None:
        super().__init__(name=name)
        self.hparams = hparams

    def build(self, width: int) -> None:
        self.inputs_DD = self.add_weight(shape=(width, width), initializer="glorot_uniform", name="read")
        self.outputs_DD = self.add_weight(shape=(width, width), initializer="glorot_uniform", name="said")

    def encode(self, source: Seq, forward: Forward) -> Seq:
        input_BLD = ops.tanh(ops.matmul(source.values_BLD, self.inputs_DD))
        return source.with_values(zero_pads(input_BLD, source.real_BL))

    def decode(self, memory: Seq, target: Seq, forward: Forward) -> Seq:
        sums_BLD = ops.cumsum(self._project(target.values_BLD), axis=1)
        count_L1 = ops.cast(ops.arange(1, ops.shape(sums_BLD)[1] + 1)[:, None], sums_BLD.dtype)
        return target.with_values(self._mean(memory)[:, None] + sums_BLD / count_L1)

    def start(self, memory: Seq, positions: int) -> State:
        mean_BD = self._mean(memory)
        return {"mean": mean_BD, "sum": ops.zeros_like(mean_BD), "count": ops.zeros((), "float32")}

    def step(self, state: State, x_B1D: Any) -> tuple[Any, State]:
        sum_BD, count = state["sum"] + self._project(x_B1D)[:, 0], state["count"] + 1
        return (state["mean"] + sum_BD / count)[:, None], {**state, "sum": sum_BD, "count": count}

    def select(self, state: State, rows_B: Any) -> State:
        return {**state, "sum": ops.take(state["sum"], rows_B, axis=0)}

    def _project(self, x_BLD: Any) -> Any:
        return ops.tanh(ops.matmul(x_BLD, self.outputs_DD))

    def _mean(self, memory: Seq) -> Any:
        """Return the mean of the real positions, float[B, D]."""
        count_B1 = ops.sum(ops.cast(memory.real_BL, memory.values_BLD.dtype), axis=1, keepdims=True)
        return ops.sum(memory.values_BLD, axis=1) / ops.maximum(count_B1, 1)
