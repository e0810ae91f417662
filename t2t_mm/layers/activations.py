"""Activation functions that Keras does not have in the form needed here: GELU and a softmax over the last axis."""

from typing import Any

from keras import ops


def gelu(x: Any) -> Any:
    """Return x times P(X <= x) for a standard normal X, not approximated (Hendrycks and Gimpel, arXiv 1606.08415)."""
    return ops.gelu(x, approximate=False)


def softmax(x: Any) -> Any:
    """Return `ops.softmax` without its warning for a last axis of length 1, as with one expert."""
    return ops.ones_like(x) if x.shape[-1] == 1 else ops.softmax(x, axis=-1)
