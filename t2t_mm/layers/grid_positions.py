"""Learned position vectors of a grid, and how they are carried over to a grid of another size."""

from math import isqrt
from typing import Any

import keras
import numpy as np

from t2t_mm.layers.layer import Layer


class GridPositions(Layer):
    """One row of D channels for each of the L squares of a square grid, in raster order, N(0, 0.02^2).

    Positions are told apart by number alone: that they lie in a grid is to be learnt (arXiv 2010.11929, section 3.1;
    the start is that of the authors' code). Float32 in mixed precision too: a row's gradient adds up over the batch.
    """

    def __init__(self, side: int, *, name: str) -> None:
        """`side` * `side` is L."""
        super().__init__(name=name)
        self.side = side

    def build(self, width: int) -> None:
        start = keras.initializers.RandomNormal(stddev=0.02)
        self.rows_LD = self.add_weight(shape=(self.side**2, width), initializer=start, autocast=False, name="rows")

    def call(self) -> Any:
        """float32[L, D]."""
        return self.rows_LD.value

    def adapted(self, name: str, value: np.ndarray) -> np.ndarray | None:
        """Rows of another square grid, interpolated to this one."""
        if value.ndim != 2 or value.shape[1] != self.rows_LD.shape[1] or isqrt(len(value)) ** 2 != len(value):
            return None
        side, width = isqrt(len(value)), value.shape[1]
        return resized(value.reshape(side, side, width), self.side).reshape(-1, width)


def resized(grid_HWD: np.ndarray, side: int) -> np.ndarray:
    """float[side, side, D]: the grid, H by W, interpolated linearly in both directions (arXiv 2010.11929, section 3.2).

    Corners lie on corners, as in the authors' code.
    """
    rows_SH, columns_SW = (_weights(size, side) for size in grid_HWD.shape[:2])
    return np.einsum("rh,cw,hwd->rcd", rows_SH, columns_SW, grid_HWD).astype(grid_HWD.dtype)


def _weights(size: int, wanted: int) -> np.ndarray:
    """float[wanted, size]: how much each of `size` places has to say to each of `wanted` between the same ends."""
    places = np.linspace(0, size - 1, wanted) if wanted > 1 else np.array([(size - 1) / 2])
    return np.maximum(0, 1 - abs(places[:, None] - np.arange(size)))
