"""The base of every layer here."""

from typing import Any

import keras


class Part(keras.layers.Layer):
    """A Keras layer that is built explicitly and takes Seq, Forward and None as they are.

    Keras' own `__call__` accepts tensors alone and infers shapes; here a parent builds its parts by width in its
    `build`, so that a weight's path is the names of the layers around it, whatever was made before.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.call(*args, **kwargs)
