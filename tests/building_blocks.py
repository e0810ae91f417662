"""Helpers of many tests: arrays of random numbers, and layers that are built."""

from typing import Any, TypeVar

import numpy as np

Buildable = TypeVar("Buildable", bound=Any)


def drawn(*shape: int, seed: int = 0) -> np.ndarray:
    """Return float32 numbers of the standard normal distribution."""
    return drawn_in(shape, seed)


def drawn_in(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Return `drawn(*shape, seed=seed)`."""
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def built(layer: Buildable, *arguments: Any) -> Buildable:
    """Build a layer or a net with what its `build` takes, and return it."""
    layer.build(*arguments)
    return layer
