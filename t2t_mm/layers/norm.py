"""Layer normalization over the channels, with a learned scale and shift."""

from typing import Any

import keras
from keras import ops

from t2t_mm.layers.layer import Layer

EPSILON = 1e-6  # T2T's


class LayerNorm(Layer):
    """Layer normalization: (x - mean) / sqrt(variance + 1e-6) * scale + shift over the last axis, in float32."""

    def __init__(self, *, scale: float = 1.0, name: str) -> None:
        """`scale` is the initial value of the learned scale: below 1 if a branch is to start as a small correction."""
        super().__init__(name=name)
        self.scale = scale

    def build(self, width: int) -> None:
        start = keras.initializers.Constant(self.scale)
        self.scale_D = self.add_weight(shape=(width,), initializer=start, autocast=False, name="scale")
        self.shift_D = self.add_weight(shape=(width,), initializer="zeros", autocast=False, name="shift")

    def call(self, x: Any) -> Any:
        """Return the normalised x, with its shape and type."""
        out = normalise(ops.cast(x, "float32"), self.scale_D.value, self.shift_D.value)
        return ops.cast(out, x.dtype)


@ops.custom_gradient
def normalise(x: Any, scale_D: Any, shift_D: Any) -> Any:
    """Return the layer normalization of float32[..., D].

    The gradient is in closed form, which takes fewer passes over x than automatic differentiation.
    """
    shape, width = ops.shape(x), x.shape[-1]
    x_ND = ops.reshape(x, (-1, width))
    even_D = ops.full((width,), 1.0 / width)
    centred_ND = x_ND - _over_channels(x_ND, even_D)
    inverse_N1 = ops.rsqrt(_over_channels(ops.square(centred_ND), even_D) + EPSILON)
    normal_ND = centred_ND * inverse_N1

    def gradient(*args: Any, upstream: Any = None) -> tuple[Any, Any, Any]:
        g_ND = ops.reshape(args[0] if upstream is None else upstream, (-1, width))
        along_ND, share_D = g_ND * normal_ND, scale_D * (1.0 / width)
        slope_N1, mean_N1 = _over_channels(along_ND, share_D), _over_channels(g_ND, share_D)
        dx_ND = inverse_N1 * (g_ND * scale_D - mean_N1 - normal_ND * slope_N1)
        return ops.reshape(dx_ND, shape), _over_rows(along_ND), _over_rows(g_ND)

    return ops.reshape(normal_ND * scale_D + shift_D, shape), gradient


def _over_channels(x_ND: Any, share_D: Any) -> Any:
    """Return the weighted sum over the channels of each row, with weights `share_D`, float32[N, 1].

    TensorFlow's graphs do not fuse passes, and a product with one column is a third cheaper than its reductions. XLA
    fuses the sum with the operation before it.
    """
    if keras.backend.backend() == "tensorflow":
        return ops.matmul(x_ND, share_D[:, None])
    return ops.sum(x_ND * share_D, axis=-1, keepdims=True)


def _over_rows(x_ND: Any) -> Any:
    """Return the sum of the rows, float32[D], computed in the same way."""
    if keras.backend.backend() == "tensorflow":
        return ops.matmul(ops.ones((1, ops.shape(x_ND)[0])), x_ND)[0]
    return ops.sum(x_ND, axis=0)
