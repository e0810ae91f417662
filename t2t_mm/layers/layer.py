"""The base of every layer here."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import keras
import numpy as np

_LEFT_OUT: ContextVar[frozenset[str]] = ContextVar("left_out", default=frozenset())


class Layer(keras.layers.Layer):
    """A Keras layer that is built explicitly and takes Seq, Forward and None as they are.

    Keras' own `__call__` accepts tensors alone and infers shapes; here a parent builds its parts by width in its
    `build`, so that a weight's path is the names of the layers around it, whatever was made before.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with keras.name_scope(self.name):  # operations bear it, so that profiles show whose they are
            return self.call(*args, **kwargs)

    def add_weight(self, *args: Any, name: str | None = None, **kwargs: Any) -> Any:
        """Keras' own; None for a weight that is left out: see `leaving_out`."""
        path = f"{self.path}/{name}"
        if any(path == left or path.startswith(f"{left}/") for left in _LEFT_OUT.get()):
            return None
        return super().add_weight(*args, name=name, **kwargs)

    def adapted(self, name: str, value: np.ndarray) -> np.ndarray | None:
        """`value`, trained in a net of other sizes, as this layer's own weight `name`; None where it cannot be.

        Whoever starts from a checkpoint asks for each weight whose shape there is another than here. A layer whose
        weights can be resized (a table of positions) has a version of its own.
        """
        return None


@contextmanager
def leaving_out(paths: Iterable[str]) -> Iterator[None]:
    """Within, layers are built without the weights at or below `paths`, which nothing that they are used for reads."""
    token = _LEFT_OUT.set(frozenset(paths))
    try:
        yield
    finally:
        _LEFT_OUT.reset(token)
