"""Graphs of parts of a net that several kinds of problem share: inner functions of TensorFlow, each traced once.

Tracing takes seconds, and a joint run has many kinds of problem. A text, an image and an audio clip all go through the
same encoder, so its graph and the graph of its gradient are the same for all three.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from t2t_mm.layers.forward import Forward, Noise

SEED = tf.TensorSpec([], "uint32")


class SharedGraphs:
    """The `inner` of a Forward: calls parts by graphs in which all axes but the last are open, shared by all shapes."""

    def __init__(self) -> None:
        self._traced: dict[Any, Callable[..., Any]] = {}

    def __call__(self, part: Callable[..., Any], tensors: Sequence[Any], forward: Forward) -> Any:
        # Watched values, and sums over replicas, must be part of the step itself.
        if tf.executing_eagerly() or forward.watched is not None or forward.replicas.count > 1:
            return part(*tensors, forward)
        specs = tuple(tf.TensorSpec([None] * (x.shape.rank - 1) + _last(x), x.dtype) for x in tensors)
        key = part, specs, forward.dtype, forward.training
        if key not in self._traced:
            self._traced[key] = _trace(part, specs, forward)
        seed = forward.noise.seed if forward.noise else tf.constant(0, "uint32")
        value, penalties, reports = self._traced[key](seed, *tensors)
        forward.penalties |= penalties
        forward.reports |= reports
        return value


def _last(x: Any) -> list[int | None]:
    return [None if x.dtype == tf.bool else x.shape[-1]]


def _trace(part: Any, specs: Sequence[tf.TensorSpec], forward: Forward) -> Callable[..., Any]:
    training, dtype, scope = forward.training, forward.dtype, part.__self__.name

    @tf.function(input_signature=[SEED, *specs], autograph=False, jit_compile=False)
    def run(seed: Any, *tensors: Any) -> Any:
        within = Forward(Noise(seed) if training else None, dtype=dtype)
        with keras.name_scope(scope):
            value = part(*tensors, within)
        if within.moved:
            raise ValueError(f"{scope}: a shared graph must move no weights; received {sorted(within.moved)}")
        return value, within.penalties, within.reports

    return run
