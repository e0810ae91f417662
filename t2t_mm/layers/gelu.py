"""The Gaussian error linear unit (Hendrycks and Gimpel 2016, arXiv 1606.08415)."""

from typing import Any

from keras import ops


def gelu(x: Any) -> Any:
    """x times the standard normal distribution's P(X <= x), not approximated."""
    return ops.gelu(x, approximate=False)
