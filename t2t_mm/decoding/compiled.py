"""Compilation of functions of tensors, by backend. No other module of decoding depends on the backend."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from t2t_mm.feature import ArraySpec

Function = Callable[..., Any]  # takes and returns nests of tensors, and reads variables


def for_each_shape(function: Function, variables: Sequence[Any]) -> Function:
    """Compile `function` with XLA, one program for each shape of its arguments.

    Each new shape costs seconds of compilation. A loop of many small operations then runs several times faster.
    """
    return {"tensorflow": _tensorflow_each, "jax": _jax}[keras.backend.backend()](function, variables)


def for_all_shapes(function: Function, variables: Sequence[Any], specs: Mapping[str, ArraySpec]) -> Function:
    """Compile `function`, of one dictionary of arrays, to a graph for any number of rows and any length.

    `specs` describes the arrays. JAX has only static shapes, so there it is compiled as by `for_each_shape`.
    """
    if keras.backend.backend() == "tensorflow":
        return _tensorflow_all(function, specs)
    return _jax(function, variables)


def every_shape_is_compiled() -> bool:
    """Return True if `for_all_shapes` too costs seconds of compilation per shape: use few shapes, not small ones."""
    return keras.backend.backend() != "tensorflow"


def _tensorflow_each(function: Function, variables: Sequence[Any]) -> Function:
    import tensorflow as tf

    program = tf.function(function, jit_compile=True, reduce_retracing=False, autograph=False)

    def call(*args: Any) -> Any:
        # Tracing a new shape explicitly keeps TensorFlow from a warning about frequent tracing, which is intended here.
        program.get_concrete_function(*args)
        return program(*args)

    return call


def _tensorflow_all(function: Function, specs: Mapping[str, ArraySpec]) -> Function:
    import tensorflow as tf

    signature = {name: tf.TensorSpec(spec.shape, spec.dtype) for name, spec in specs.items()}
    return tf.function(function, input_signature=[signature], jit_compile=False, autograph=False)


def _jax(function: Function, variables: Sequence[Any]) -> Function:
    import jax

    @jax.jit
    def program(values: Any, *args: Any) -> Any:
        # Weights are arguments. Otherwise they would be copied into the program as constants.
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            return function(*args)

    return lambda *args: program([variable.value for variable in variables], *args)
