"""The base class of all layers of this package."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import keras
import numpy as np

_OMITTED: ContextVar[frozenset[str]] = ContextVar("omitted", default=frozenset())  # weight paths, or parts of them


class Layer(keras.layers.Layer):
    """A Keras layer that is built explicitly and accepts Seq, Forward and None as arguments.

    Keras' own `__call__` accepts only tensors and infers shapes. Here a parent builds its sublayers, giving the width,
    in its own `build`. So a weight's path consists of the names of the enclosing layers, independent of what was made
    before.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with keras.name_scope(self.name):  # profiles show the operations under this name
            return self.call(*args, **kwargs)

    def add_weight(self, *args: Any, name: str | None = None, **kwargs: Any) -> Any:
        """Add a weight as Keras does. Return None for a weight that `without_weights` omits."""
        path = f"{self.path}/{name}"
        if any(path == omitted or path.startswith(f"{omitted}/") for omitted in _OMITTED.get()):
            return None
        return super().add_weight(*args, name=name, **kwargs)

    def adapted(self, name: str, value: np.ndarray) -> np.ndarray | None:
        """Return `value`, trained in a net of other sizes, adapted to this layer's weight `name`; None if impossible.

        A warm start calls this for each weight whose shape in the checkpoint differs from the shape here. A layer whose
        weights can be resized (a table of positions) overrides it.
        """
        return None


@contextmanager
def without_weights(paths: Iterable[str]) -> Iterator[None]:
    """Build layers without the weights at or below `paths`. Code that uses these layers must not read these weights."""
    token = _OMITTED.set(frozenset(paths))
    try:
        yield
    finally:
        _OMITTED.reset(token)
