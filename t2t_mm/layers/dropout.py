"""Dropout whose mask is a function of (seed, step, layer path)."""

from typing import Any

from keras import ops

from t2t_mm.layers.forward import Forward


def dropout(x: Any, rate: float, forward: Forward, path: str) -> Any:
    """`x` with each element zero with probability `rate`, else divided by 1 - rate; `x` itself outside training."""
    if forward.noise is None or rate == 0.0:
        return x
    keep = ops.cast(forward.noise.uniform(ops.shape(x), path) >= rate, x.dtype)
    return x * keep * (1.0 / (1.0 - rate))
