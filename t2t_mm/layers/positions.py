"""Positions of a sequence as vectors: learned rows, and the timing signal (arXiv 1706.05137, section 2.2)."""

from typing import Any

import keras
import numpy as np
from keras import ops

from t2t_mm.layers.layer import Layer


class LearnedPositions(Layer):
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


def timing_signal(positions_L: Any, depth: int) -> Any:
    """float32[L, D]: channels 2d and 2d + 1 hold sin and cos of position * 10000^(-2d / depth), interleaved."""
    rates_d = 1e4 ** (-np.arange(0, depth, 2, dtype="float32") / depth)
    angles_Ld = ops.cast(positions_L, "float32")[:, None] * rates_d
    pairs_Ld2 = ops.stack([ops.sin(angles_Ld), ops.cos(angles_Ld)], axis=-1)
    return ops.reshape(pairs_Ld2, (-1, 2 * len(rates_d)))[:, :depth]


def add_timing(x_BLD: Any) -> Any:
    """`x_BLD` plus the signal of positions 0 to L - 1."""
    return x_BLD + ops.cast(timing_signal(ops.arange(ops.shape(x_BLD)[1]), x_BLD.shape[-1]), x_BLD.dtype)
