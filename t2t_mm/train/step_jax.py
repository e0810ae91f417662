"""Steps as XLA programs through JAX, which imports no TensorFlow.

Shapes are static here, so a kind is compiled for each shape of its batches. Weights, moments and counts that a step
moves are given away to it: XLA writes the new values where the old ones stood.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import keras

from t2t_mm.train.compiler import Compiler, Program, Specs


class JaxCompiler(Compiler):
    """One program for each kind and shape."""

    def train(self, problem: str, specs: Specs) -> Program:
        variables: dict[str, Any] = {}  # what the kind's loss reads, by path; known from the first batch on
        moving: list[Any] = []  # those, their moments and the counts

        def objective(values: dict[str, Any], *given: Any) -> Any:
            with keras.StatelessScope([(variables[path], value) for path, value in values.items()]):
                minimised, nats, reports = self.objective(problem, *given)
            return minimised, (nats, reports)

        def run(values: list[Any], rate: Any, features: Any, command: Any, *rest: Any) -> Any:
            self.traced += 1
            weights = dict(zip(variables, values, strict=False))
            gradient = jax.value_and_grad(objective, has_aux=True)
            (_, (nats, reports)), gradients = gradient(weights, features, command, *rest)
            norm = jnp.sqrt(sum(jnp.sum(jnp.square(gradient)) for gradient in gradients.values()))
            with keras.StatelessScope(list(zip(moving, values, strict=True))) as scope:
                self.optimiser.apply(self.clipped(gradients, norm), rate, command)
            return [scope.get_current_value(variable) for variable in moving], (nats, norm, reports)

        program = jax.jit(run, donate_argnums=0)

        def call(features: Any, command: Any, rate: Any, *rest: Any) -> Any:
            if not variables:
                variables.update(self._used(problem, features, command, *rest))
                moments = [self.optimiser.moments[f"{path}/{slot}"] for path in variables for slot in ("m", "v")]
                moving.extend([*variables.values(), *moments, self.optimiser.counts_U])
            values, said = program([variable.value for variable in moving], rate, features, command, *rest)
            for variable, value in zip(moving, values, strict=True):
                variable.assign(value)
            return said

        return call

    def judge(self, problem: str, metrics: Sequence[str], specs: Specs) -> Program:
        variables = self.net.trainable_variables

        @jax.jit
        def run(values: list[Any], features: Any, command: Any) -> Any:
            self.traced += 1
            with keras.StatelessScope(list(zip(variables, values, strict=True))):
                return self.sums(problem, metrics, features, command)

        return lambda *given: run([variable.value for variable in variables], *given)

    def _used(self, problem: str, *given: Any) -> dict[str, Any]:
        """The weights that the loss of a problem's kind reads, by path: a weight it does not read has no gradient."""
        read: set[str] = set()

        class Reading(keras.StatelessScope):
            def get_current_value(self, variable: Any) -> Any:
                read.add(variable.path)
                return super().get_current_value(variable)

        def objective(*given: Any) -> Any:
            with Reading():
                return self.objective(problem, *given)[0]

        jax.eval_shape(objective, *given)
        return {weight.path: weight for weight in self.net.trainable_variables if weight.path in read}
