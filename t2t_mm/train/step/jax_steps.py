"""Steps as XLA programs through JAX, which imports no TensorFlow.

Shapes are static here, so a kind of problem is compiled for each shape of its batches. Weights, slots and counts that a
step moves are donated to it: XLA writes the new values where the old ones stood. Where several processes train together
(data parallel), a step is two programs: the gradients, which all workers compute together, and the update, which each
does by itself, so that a lost worker leaves no half-moved weights.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import keras

from t2t_mm.hparam_set import TrainingHparams
from t2t_mm.layers.replicas import ALONE as ONE_REPLICA
from t2t_mm.layers.replicas import Replicas
from t2t_mm.models.net import Net
from t2t_mm.train.distributed.cluster import ALONE, Cluster
from t2t_mm.train.distributed.devices import place_on_devices
from t2t_mm.train.optim.optimizer import Optimizer
from t2t_mm.train.step.compiler import Program, Specs, StepCompiler
from t2t_mm.train.step.step_input import Gradients, StepInput


@dataclass(frozen=True)
class Used:
    """The weights that the loss of a kind of problem uses."""

    read: dict[str, Any]  # weights by path
    moved: list[Any]  # those of the net's weights that have no gradient and follow the batches


class JaxCompiler(StepCompiler):
    """One program for each kind of problem and each shape."""

    def __init__(self, net: Net, optimizer: Optimizer, hparams: TrainingHparams, cluster: Cluster = ALONE) -> None:
        super().__init__(net, optimizer, hparams, cluster)
        self._used_by_kind: dict[Any, Used] = {}
        self._on_all_workers: dict[Any, Callable[[StepInput], Gradients]] = {}

    def update(self, problem: str, specs: Specs) -> Program:
        def step(last: Gradients, command: Any, rate: Any) -> Any:
            gradients, nats = self.combine(last, command)
            norm = jnp.sqrt(sum(jnp.sum(jnp.square(gradient)) for gradient in gradients.values()))
            all_finite = self.all_finite.value * jnp.isfinite(norm + nats).astype("float32")
            moving = self.optimizer.moving(list(gradients))
            before = [variable.value for variable in moving]
            self.optimizer.apply(self.clipped(gradients, norm), rate, command)
            for variable, old in zip(moving, before, strict=True):
                variable.assign(jnp.where(all_finite > 0.0, variable.value, old))
            self.assign_moved(last.moved, all_finite)
            self.all_finite.assign(all_finite)
            for name in (*gradients, "nats") if self.accumulated else ():
                self.accumulated[name].assign(jnp.zeros_like(self.accumulated[name].value))
            return nats, norm, last.reports

        def moving(used: Used) -> list[Any]:
            trained = [path for path in used.read if path in self.optimizer.weights]
            return [*self.optimizer.moving(trained), self.all_finite, *used.moved, *self._accumulated(used)]

        return self._program(problem, step, moving)

    def accumulate(self, problem: str, specs: Specs) -> Program:
        def step(gradients: Gradients, command: Any) -> None:
            for name, value in (gradients.by_path | {"nats": gradients.nats}).items():
                self.accumulated[name].assign(self.accumulated[name].value + gradients.share * value)

        return self._program(problem, step, self._accumulated)

    def evaluate(self, problem: str, metrics: Sequence[str], specs: Specs) -> Program:
        variables = self.net.weights

        @jax.jit
        def step(values: list[Any], features: Any, command: Any) -> Any:
            self.traced += 1
            with keras.StatelessScope(list(zip(variables, values, strict=True))):
                return self.metric_sums(problem, metrics, features, command)

        def program(features: Any, command: Any) -> Any:
            return step([variable.value for variable in variables], place_on_devices(features), command)

        return program

    def gradients_of(self, problem: str, batch: StepInput, replicas: Replicas = ONE_REPLICA) -> Gradients:
        used = self._used(problem, batch).read
        trained = {path: weight for path, weight in used.items() if path in self.optimizer.weights}
        smoothing = self.hparams.label_smoothing

        def objective(values: Mapping[str, Any]) -> Any:
            now = [(weight, values.get(path, weight.value)) for path, weight in used.items()]
            forward = self.forward(batch, replicas)
            with keras.StatelessScope(now):
                minimised, nats = self.net.objective(
                    problem, batch.features, batch.command, forward, batch.multiplier, smoothing
                )
            return minimised, (nats, forward.reports, forward.moved)

        values = {path: weight.value for path, weight in trained.items()}
        (_, (nats, reports, moved)), by_path = jax.value_and_grad(objective, has_aux=True)(values)
        return Gradients(by_path, nats, reports, moved, batch.share)

    def _program(self, problem: str, step: Callable[..., Any], moving: Callable[[Used], list[Any]]) -> Program:
        """Return a function of (micro_batches, *rest) that computes `step(gradients, command, *rest)`, compiled.

        `moving` returns the variables that the step moves, from what the loss of the problem's kind uses.
        """
        donated: list[Any] = []  # variables, known from the first batch on
        read: list[Any] = []  # those that stay as they are
        on_all_workers = self._gradients_on_all_workers(problem) if self.cluster.count > 1 else None

        def stateless(moved: list[Any], stay: list[Any], batch: Any, command: Any, *rest: Any) -> Any:
            self.traced += 1
            now = [*zip(donated, moved, strict=True), *zip(read, stay, strict=True)]
            with keras.StatelessScope(now) as scope:
                gradients = batch if on_all_workers else self.gradients_of(problem, batch)
                result = step(gradients, command, *rest)
            return [scope.get_current_value(variable) for variable in donated], result

        compiled = jax.jit(stateless, donate_argnums=0)

        def program(batches: tuple[StepInput, ...], *rest: Any) -> Any:
            [batch] = batches
            if on_all_workers is None:
                batch = batch._replace(features=place_on_devices(batch.features))
            if not donated:
                used = self._used(problem, batch)
                donated.extend(moving(used))
                known = {id(variable) for variable in donated}
                read.extend(weight for weight in used.read.values() if id(weight) not in known)
            values = [[variable.value for variable in variables] for variables in (donated, read)]
            given: Any = batch
            if on_all_workers is not None:
                given = on_all_workers(batch)
                values = jax.device_put(values, given.nats.sharding)  # as the step leaves them: compiled once
            moved, result = compiled(*values, given, batch.command, *rest)
            for variable, value in zip(donated, moved, strict=True):
                variable.assign(value)
            return result

        return program

    def _gradients_on_all_workers(self, problem: str) -> Callable[[StepInput], Gradients]:
        """Return `gradients_of` for the problem's batches as a program that all workers run together."""
        if (kind := self.net.kind(problem)) in self._on_all_workers:
            return self._on_all_workers[kind]

        def compute(values: Mapping[str, Any], *batch: Any) -> Gradients:
            self.traced += 1
            given = StepInput(*batch)
            used = self._used(problem, given).read
            with keras.StatelessScope([(used[path], value) for path, value in values.items()]):
                return self.gradients_of(problem, given)

        program = self.cluster.run_on_all_workers(compute)

        def call(batch: StepInput) -> Gradients:
            used = self._used(problem, batch).read
            return program({path: weight.value for path, weight in used.items()}, *batch)

        return self._on_all_workers.setdefault(kind, call)

    def _accumulated(self, used: Used) -> list[Any]:
        """Return the accumulators of those of the weights in use that train."""
        return [self.accumulated[name] for name in (*used.read, "nats") if name in self.accumulated]

    def _used(self, problem: str, batch: StepInput) -> Used:
        """Return the weights that the loss of a problem's kind uses: a weight that it does not read has no gradient."""
        if self.net.kind(problem) in self._used_by_kind:
            return self._used_by_kind[self.net.kind(problem)]
        read: set[str] = set()
        moved: set[str] = set()

        class Reading(keras.StatelessScope):
            def get_current_value(self, variable: Any) -> Any:
                read.add(variable.path)
                return super().get_current_value(variable)

        def objective(batch: StepInput) -> Any:
            forward, smoothing = self.forward(batch), self.hparams.label_smoothing
            with Reading():
                minimised, _ = self.net.objective(
                    problem, batch.features, batch.command, forward, batch.multiplier, smoothing
                )
                moved.update(forward.moved)
                return minimised

        jax.eval_shape(objective, batch)
        weights = {weight.path: weight for weight in self.net.weights}
        used = Used(
            {path: one for path, one in weights.items() if path in read}, [weights[path] for path in sorted(moved)]
        )
        return self._used_by_kind.setdefault(self.net.kind(problem), used)
