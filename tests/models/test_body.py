"""What a body inherits from its contract."""

import numpy as np
from keras import ops

from t2t_mm.layers.sequence import Seq
from t2t_mm.models.body import Body


class Tally(Body):
    """Says the source plus everything that it was told. It moves its state itself and knows nothing of beams."""

    def encode(self, source, forward):
        return source

    def decode(self, memory, target, forward):
        return target.with_values(memory.values_BLD[:, :1] + ops.cumsum(target.values_BLD, axis=1))

    def start(self, memory, positions):
        return {"source": memory.values_BLD[:, 0], "told": ops.zeros_like(memory.values_BLD[:, 0])}

    def step(self, state, x_B1D):
        told_BD = state["told"] + x_B1D[:, 0]
        return (state["source"] + told_BD)[:, None], {**state, "told": told_BD}

    def select(self, state, rows_B):
        return {**state, "told": ops.take(state["told"], rows_B, axis=0)}


def test_a_body_that_knows_no_beams_gets_its_memory_repeated():
    body, memory = Tally(), Seq(np.array([[[100.0]], [[200.0]]], "float32"), np.ones((2, 1), bool))
    state = body.start_beams(memory, 5, 2)
    _, state = body.step(state, np.array([1.0, 2.0, 3.0, 4.0], "float32")[:, None, None])
    state = body.select(state, np.array([1, 1, 3, 2], "int32"))
    said_R1D, _ = body.step(state, np.array([10.0, 20.0, 30.0, 40.0], "float32")[:, None, None])
    np.testing.assert_array_equal(ops.convert_to_numpy(said_R1D).ravel(), [112, 122, 234, 243])
