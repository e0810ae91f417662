"""Dropout whose mask is a function of (seed, step, layer path)."""

from typing import Any

from keras import ops

from t2t_mm.layers.forward import Forward


def dropout(x: Any, rate: float, forward: Forward, path: str) -> Any:
    """Set each element of `x` to zero with probability `rate` and divide the others by 1 - rate.

    Outside training, return `x` unchanged.
    """
    if forward.noise is None or rate == 0.0:
        return x
    kept = forward.noise.kept(ops.shape(x), rate, path)
    return x * (ops.cast(kept, x.dtype) * (1.0 / (1.0 - rate)))
