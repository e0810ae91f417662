"""The only place of decoding that knows the backend: how a function of tensors is compiled."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from t2t_mm.feature import ArraySpec

Function = Callable[..., Any]  # takes and returns nests of tensors, and reads variables


def for_each_shape(function: Function, variables: Sequence[Any]) -> Function:
    """`function` as a program by XLA for each shape of its arguments.

    A shape costs seconds of compilation once; a loop of many small operations then runs several times faster.
    """
    return {"tensorflow": _tensorflow_each, "jax": _jax}[keras.backend.backend()](function, variables)


def for_all_shapes(function: Function, variables: Sequence[Any], specs: Mapping[str, ArraySpec]) -> Function:
    """`function` of one dictionary of arrays, which `specs` describes, as a graph that serves every number of rows and
    every length; on JAX, which knows static shapes alone, as `for_each_shape`.
    """
    if keras.backend.backend() == "tensorflow":
        return _tensorflow_all(function, specs)
    return _jax(function, variables)


def every_shape_is_compiled() -> bool:
    """Whether `for_all_shapes`, too, costs seconds for each shape, so that few shapes are better than small ones."""
    return keras.backend.backend() != "tensorflow"


def _tensorflow_each(function: Function, variables: Sequence[Any]) -> Function:
    import tensorflow as tf

    program = tf.function(function, jit_compile=True, reduce_retracing=False, autograph=False)

    def call(*args: Any) -> Any:
        # Traced here, a new shape is no reason for TensorFlow to warn of frequent tracing: that is the purpose.
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
        # Weights are arguments: read where they stand, they would be copied into the program as constants.
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            return function(*args)

    return lambda *args: program([variable.value for variable in variables], *args)
