"""Dropout whose mask is a function of (seed, step, layer path)."""

from typing import Any

from keras import ops

from t2t_mm.layers.forward import Forward, u32


def dropout(x: Any, rate: float, forward: Forward, path: str) -> Any:
    """`x` with each element zero with probability `rate`, else divided by 1 - rate; `x` itself outside training."""
    if forward.noise is None or rate == 0.0:
        return x
    kept = forward.noise.bits(ops.shape(x), path) >= u32(round(rate * 2**32))
    return x * (ops.cast(kept, x.dtype) * (1.0 / (1.0 - rate)))
