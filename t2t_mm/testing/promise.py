"""What a check raises, and how it compares."""

from typing import Any

import numpy as np

TOLERANCE = 1e-4  # of numbers whose largest is 1 or less; else of the largest


class PromiseBroken(AssertionError):
    """A model does not hold to its contract: which promise, on which problem, and by how much."""


def difference(found: Any, right: Any) -> float:
    """The largest distance between two arrays of one shape, as a share of the largest number in `right`, or of 1."""
    if not right.size:
        return 0.0
    return float(abs(found - right).max() / max(1.0, abs(right).max()))


def same(found: np.ndarray, right: np.ndarray, said: str) -> None:
    """Raise PromiseBroken that begins with `said` unless the two are equal, to TOLERANCE."""
    if found.shape != right.shape:
        raise PromiseBroken(f"{said} Shapes: {found.shape} and {right.shape}.")
    if not (distance := difference(found, right)) <= TOLERANCE:  # which NaN is not either
        raise PromiseBroken(f"{said} They differ by {distance:.2g}.")
