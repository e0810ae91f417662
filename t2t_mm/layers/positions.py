"""Position vectors: learned ones for sequences and grids, and the timing signal (arXiv 1706.05137, section 2.2)."""

from math import isqrt
from typing import Any

import keras
import numpy as np
from keras import ops

from t2t_mm.layers.layer import Layer


class LearnedPositions(Layer):
    """A learned vector of D channels for each of the positions 0 to P - 1, initially N(0, 1 / D).

    Batches are padded to few shapes, so padding may lie beyond position P - 1; it gets the last row. The owner of the
    layer makes sure that nothing real lies there. The rows are float32 in mixed precision too, because a row's gradient
    is a sum over the batch.
    """

    def __init__(self, count: int, *, name: str) -> None:
        """`count` is P."""
        super().__init__(name=name)
        self.count = count

    def build(self, width: int) -> None:
        initializer = keras.initializers.RandomNormal(stddev=width**-0.5)
        self.rows_PD = self.add_weight(shape=(self.count, width), initializer=initializer, autocast=False, name="rows")

    def call(self, positions_L: Any) -> Any:
        """Map int32[L] to float[L, D]."""
        return ops.take(self.rows_PD, ops.minimum(positions_L, self.count - 1), axis=0)


class GridPositions(Layer):
    """A learned vector of D channels for each of the L squares of a square grid, in raster order.

    Vectors start as N(0, 0.02^2). The layer knows positions only by their number; that they form a grid has to be
    learned (arXiv 2010.11929, section 3.1; the initial scale is that of the authors' code). The rows are float32 in
    mixed precision too, because a row's gradient is a sum over the batch.
    """

    def __init__(self, side: int, *, name: str) -> None:
        """`side` * `side` is L."""
        super().__init__(name=name)
        self.side = side

    def build(self, width: int) -> None:
        start = keras.initializers.RandomNormal(stddev=0.02)
        self.rows_LD = self.add_weight(shape=(self.side**2, width), initializer=start, autocast=False, name="rows")

    def call(self) -> Any:
        """Return float32[L, D]."""
        return self.rows_LD.value

    def adapted(self, name: str, value: np.ndarray) -> np.ndarray | None:
        """Return the rows of another square grid, interpolated to this grid; None if `value` has another form."""
        if value.ndim != 2 or value.shape[1] != self.rows_LD.shape[1] or isqrt(len(value)) ** 2 != len(value):
            return None
        side, width = isqrt(len(value)), value.shape[1]
        return resized(value.reshape(side, side, width), self.side).reshape(-1, width)


def resized(grid_HWD: np.ndarray, side: int) -> np.ndarray:
    """Return the grid, H by W, interpolated to float[side, side, D].

    The interpolation is linear in both directions (arXiv 2010.11929, section 3.2). Corners map to corners, as in the
    authors' code.
    """
    rows_SH, columns_SW = (_interpolation_weights(size, side) for size in grid_HWD.shape[:2])
    return np.einsum("rh,cw,hwd->rcd", rows_SH, columns_SW, grid_HWD).astype(grid_HWD.dtype)


def _interpolation_weights(size: int, new_size: int) -> np.ndarray:
    """Return float[new_size, size]: the weights of `size` places for each of `new_size` between the same ends."""
    places = np.linspace(0, size - 1, new_size) if new_size > 1 else np.array([(size - 1) / 2])
    return np.maximum(0, 1 - abs(places[:, None] - np.arange(size)))


def timing_signal(positions_L: Any, depth: int) -> Any:
    """Return the timing signal, float32[L, D], with sines and cosines interleaved.

    Channels 2d and 2d + 1 are the sine and the cosine of position * 10000^(-2d / depth).
    """
    rates_d = 1e4 ** (-np.arange(0, depth, 2, dtype="float32") / depth)
    angles_Ld = ops.cast(positions_L, "float32")[:, None] * rates_d
    pairs_Ld2 = ops.stack([ops.sin(angles_Ld), ops.cos(angles_Ld)], axis=-1)
    return ops.reshape(pairs_Ld2, (-1, 2 * len(rates_d)))[:, :depth]


def add_timing(x_BLD: Any) -> Any:
    """Return `x_BLD` plus the timing signal of positions 0 to L - 1."""
    return x_BLD + ops.cast(timing_signal(ops.arange(ops.shape(x_BLD)[1]), x_BLD.shape[-1]), x_BLD.dtype)
