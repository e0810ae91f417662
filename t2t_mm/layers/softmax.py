"""The softmax over the last axis."""

from typing import Any

from keras import ops


def softmax(x: Any) -> Any:
    """`ops.softmax` without its warning where only one thing can be chosen: one expert, a source of one position."""
    return ops.ones_like(x) if x.shape[-1] == 1 else ops.softmax(x, axis=-1)
