"""The default methods of a body."""

import numpy as np
from keras import ops

from t2t_mm.layers.sequence import Seq
from t2t_mm.models.body import Body


class Tally(Body):
    """A body that returns the source plus the sum of previous outputs. It does not override `start_beams`."""

    def encode(self, source, forward):
        return source

    def decode(self, memory, target, forward):
        return target.with_values(memory.values_BLD[:, :1] + ops.cumsum(target.values_BLD, axis=1))

    def start(self, memory, positions):
        return {"source": memory.values_BLD[:, 0], "sum": ops.zeros_like(memory.values_BLD[:, 0])}

    def step(self, state, x_B1D):
        sum_BD = state["sum"] + x_B1D[:, 0]
        return (state["source"] + sum_BD)[:, None], {**state, "sum": sum_BD}

    def select(self, state, rows_B):
        return {**state, "sum": ops.take(state["sum"], rows_B, axis=0)}


def test_start_beams_by_default_repeats_the_memory():
    body, memory = Tally(), Seq(np.array([[[100.0]], [[200.0]]], "float32"), np.ones((2, 1), bool))
    state = body.start_beams(memory, 5, 2)
    _, state = body.step(state, np.array([1.0, 2.0, 3.0, 4.0], "float32")[:, None, None])
    state = body.select(state, np.array([1, 1, 3, 2], "int32"))
    output_R1D, _ = body.step(state, np.array([10.0, 20.0, 30.0, 40.0], "float32")[:, None, None])
    np.testing.assert_array_equal(ops.convert_to_numpy(output_R1D).ravel(), [112, 122, 234, 243])
