"""The base of every layer here."""

from typing import Any

import keras
import numpy as np


class Part(keras.layers.Layer):
    """A Keras layer that is built explicitly and takes Seq, Forward and None as they are.

    Keras' own `__call__` accepts tensors alone and infers shapes; here a parent builds its parts by width in its
    `build`, so that a weight's path is the names of the layers around it, whatever was made before.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.call(*args, **kwargs)

    def adapted(self, name: str, value: np.ndarray) -> np.ndarray | None:
        """`value`, trained in a net of other sizes, as this layer's own weight `name`; None where it cannot be.

        Whoever starts from a checkpoint asks for each weight whose shape there is another than here. A layer whose
        weights can be resized (a table of positions) has a version of its own.
        """
        return None
