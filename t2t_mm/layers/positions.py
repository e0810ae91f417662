"""Learned position vectors."""

from typing import Any

import keras
from keras import ops

from t2t_mm.layers.part import Part


class LearnedPositions(Part):
    """One row of D channels for each of the positions 0 to P - 1, N(0, 1 / D).

    A pad may stand behind the last row, since batches are padded to few shapes; it gets the last row. Whoever owns the
    layer sees to it that nothing real stands there. Float32 in mixed precision too: a row's gradient adds up over the
    batch.
    """

    def __init__(self, count: int, *, name: str) -> None:
        """`count` is P."""
        super().__init__(name=name)
        self.count = count

    def build(self, width: int) -> None:
        initializer = keras.initializers.RandomNormal(stddev=width**-0.5)
        self.rows_PD = self.add_weight(shape=(self.count, width), initializer=initializer, autocast=False, name="rows")

    def call(self, positions_L: Any) -> Any:
        """int32[L] to float[L, D]."""
        return ops.take(self.rows_PD, ops.minimum(positions_L, self.count - 1), axis=0)
