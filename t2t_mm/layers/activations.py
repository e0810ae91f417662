"""Activation functions that Keras lacks in the form needed here: exact GELU, and a softmax over the last axis."""

from typing import Any

from keras import ops


def gelu(x: Any) -> Any:
    """Return the exact GELU: x times P(X <= x) for a standard normal X (Hendrycks and Gimpel, arXiv 1606.08415)."""
    return ops.gelu(x, approximate=False)


def softmax(x: Any) -> Any:
    """Return the softmax over the last axis, without Keras' warning for an axis of length 1 (a single expert)."""
    return ops.ones_like(x) if x.shape[-1] == 1 else ops.softmax(x, axis=-1)
