"""Layer normalisation over the channels, with a learned scale and shift."""

from typing import Any

import keras
from keras import ops

from t2t_mm.layers.part import Part

EPSILON = 1e-6  # T2T's


class LayerNorm(Part):
    """(x - mean) / sqrt(variance + 1e-6) * scale + shift over the last axis, computed in float32."""

    def __init__(self, *, scale: float = 1.0, name: str) -> None:
        """`scale`: what the learned scale starts from; below 1 where a branch should start as a small correction."""
        super().__init__(name=name)
        self.scale = scale

    def build(self, width: int) -> None:
        start = keras.initializers.Constant(self.scale)
        self.scale_D = self.add_weight(shape=(width,), initializer=start, autocast=False, name="scale")
        self.shift_D = self.add_weight(shape=(width,), initializer="zeros", autocast=False, name="shift")

    def call(self, x: Any) -> Any:
        out = normalise(ops.cast(x, "float32"), self.scale_D.value, self.shift_D.value)
        return ops.cast(out, x.dtype)


@ops.custom_gradient
def normalise(x: Any, scale_D: Any, shift_D: Any) -> Any:
    """The norm of float32[..., D], with its gradient in closed form: a quarter cheaper than tracing it back."""
    centred = x - ops.mean(x, axis=-1, keepdims=True)
    inverse = ops.rsqrt(ops.mean(ops.square(centred), axis=-1, keepdims=True) + EPSILON)
    normal = centred * inverse

    def gradient(*args: Any, upstream: Any = None) -> tuple[Any, Any, Any]:
        g = args[0] if upstream is None else upstream
        scaled, along = g * scale_D, g * normal
        slope = ops.mean(scaled * normal, axis=-1, keepdims=True)
        dx = inverse * (scaled - ops.mean(scaled, axis=-1, keepdims=True) - normal * slope)
        rows = tuple(range(len(x.shape) - 1))
        return dx, ops.sum(along, axis=rows), ops.sum(g, axis=rows)

    return normal * scale_D + shift_D, gradient
