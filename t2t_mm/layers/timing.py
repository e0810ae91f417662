"""The timing signal: sines and cosines over the full depth (arXiv 1706.05137, section 2.2)."""

from typing import Any

import numpy as np
from keras import ops


def timing_signal(positions_L: Any, depth: int) -> Any:
    """float32[L, D]: channels 2d and 2d + 1 hold sin and cos of position * 10000^(-2d / depth), interleaved."""
    rates_d = 1e4 ** (-np.arange(0, depth, 2, dtype="float32") / depth)
    angles_Ld = ops.cast(positions_L, "float32")[:, None] * rates_d
    pairs_Ld2 = ops.stack([ops.sin(angles_Ld), ops.cos(angles_Ld)], axis=-1)
    return ops.reshape(pairs_Ld2, (-1, 2 * len(rates_d)))[:, :depth]


def add_timing(x_BLD: Any) -> Any:
    """`x_BLD` plus the signal of positions 0 to L - 1."""
    return x_BLD + ops.cast(timing_signal(ops.arange(ops.shape(x_BLD)[1]), x_BLD.shape[-1]), x_BLD.dtype)
