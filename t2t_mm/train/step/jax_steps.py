"""Steps as XLA programs through JAX, which imports no TensorFlow.

Shapes are static here, so a kind is compiled for each shape of its batches. Weights, slots and counts that a step
moves are given away to it: XLA writes the new values where the old ones stood. Where several processes train together a
step is two programs: what they find together, and what each then moves by itself, which no lost worker can break.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import keras

from t2t_mm.hparam_set import TrainingHparams
from t2t_mm.layers.replicas import ALONE as ONE
from t2t_mm.layers.replicas import Replicas
from t2t_mm.models.net import Net
from t2t_mm.train.distributed.cluster import ALONE, Cluster
from t2t_mm.train.distributed.devices import shared
from t2t_mm.train.optim.optimizer import Optimizer
from t2t_mm.train.step.compiler import Program, Specs, StepCompiler

# Of a batch: gradients by path, nats a target, reports, and what weights without gradients become, by path.
Found = tuple[dict[str, Any], Any, dict[str, Any], dict[str, Any]]


@dataclass(frozen=True)
class Used:
    """What the loss of a kind uses."""

    read: dict[str, Any]  # weights by path
    moved: list[Any]  # those among the net's weights that have no gradient and follow what the batch says


class JaxCompiler(StepCompiler):
    """One program for each kind and shape."""

    def __init__(self, net: Net, optimizer: Optimizer, hparams: TrainingHparams, cluster: Cluster = ALONE) -> None:
        super().__init__(net, optimizer, hparams, cluster)
        self._kinds: dict[Any, Used] = {}
        self._found_together: dict[Any, Callable[..., Found]] = {}

    def train(self, problem: str, specs: Specs) -> Program:
        def run(found: Found, command: Any, share: Any, rate: Any) -> Any:
            gradients, nats, reports, moved = found
            gradients, nats = self.whole(gradients, nats, share, command)
            norm = jnp.sqrt(sum(jnp.sum(jnp.square(gradient)) for gradient in gradients.values()))
            sound = self.sound.value * jnp.isfinite(norm + nats).astype("float32")
            moving = self.optimizer.moving(list(gradients))
            before = [variable.value for variable in moving]
            self.optimizer.apply(self.clipped(gradients, norm), rate, command)
            for variable, old in zip(moving, before, strict=True):
                variable.assign(jnp.where(sound > 0.0, variable.value, old))
            self.follow(moved, sound)
            self.sound.assign(sound)
            for name in (*gradients, "nats") if self.gathered else ():
                self.gathered[name].assign(jnp.zeros_like(self.gathered[name].value))
            return nats, norm, reports

        def moving(used: Used) -> list[Any]:
            trained = [path for path in used.read if path in self.optimizer.weights]
            return [*self.optimizer.moving(trained), self.sound, *used.moved, *self._gathered(used)]

        return self._program(problem, run, moving)

    def gather(self, problem: str, specs: Specs) -> Program:
        def run(found: Found, command: Any, share: Any) -> None:
            gradients, nats, _, _ = found
            for name, value in (gradients | {"nats": nats}).items():
                self.gathered[name].assign(self.gathered[name].value + share * value)

        return self._program(problem, run, self._gathered)

    def gradients(self, problem: str, *given: Any, replicas: Replicas = ONE) -> Found:
        used = self._used(problem, *given).read
        trained = {path: weight for path, weight in used.items() if path in self.optimizer.weights}

        def objective(values: Mapping[str, Any]) -> Any:
            now = [(weight, values.get(path, weight.value)) for path, weight in used.items()]
            with keras.StatelessScope(now):
                minimised, *said = self.objective(problem, *given, replicas=replicas)
            return minimised, said

        values = {path: weight.value for path, weight in trained.items()}
        (_, (nats, reports, moved)), gradients = jax.value_and_grad(objective, has_aux=True)(values)
        return gradients, nats, reports, moved

    def judge(self, problem: str, metrics: Sequence[str], specs: Specs) -> Program:
        variables = self.net.weights

        @jax.jit
        def run(values: list[Any], features: Any, command: Any) -> Any:
            self.traced += 1
            with keras.StatelessScope(list(zip(variables, values, strict=True))):
                return self.sums(problem, metrics, features, command)

        def call(features: Any, command: Any) -> Any:
            return run([variable.value for variable in variables], shared(features), command)

        return call

    def _program(self, problem: str, run: Callable[..., Any], moving: Callable[[Used], list[Any]]) -> Program:
        """`run`, on what a batch's gradients are, compiled: a function of what `gradients` takes and what `run` takes
        behind the command, which moves the variables `moving(what the kind's loss uses)`."""
        given_away: list[Any] = []  # known from the first batch on
        read: list[Any] = []  # and those that stay
        found_before = self._together(problem) if self.cluster.count > 1 else None

        def stateless(moved: list[Any], stay: list[Any], given: tuple[Any, ...], command: Any, *rest: Any) -> Any:
            self.traced += 1
            now = [*zip(given_away, moved, strict=True), *zip(read, stay, strict=True)]
            with keras.StatelessScope(now) as scope:
                found = given if found_before else self.gradients(problem, *given)
                said = run(found, command, *rest)
            return [scope.get_current_value(variable) for variable in given_away], said

        program = jax.jit(stateless, donate_argnums=0)

        def call(features: Any, command: Any, multiplier: Any, noise_seed: Any, *rest: Any) -> Any:
            given = features if found_before else shared(features), command, multiplier, noise_seed
            if not given_away:
                used = self._used(problem, *given)
                given_away.extend(moving(used))
                known = {id(variable) for variable in given_away}
                read.extend(weight for weight in used.read.values() if id(weight) not in known)
            values = [[variable.value for variable in variables] for variables in (given_away, read)]
            if found_before:
                given = found_before(*given)
                values = jax.device_put(values, given[1].sharding)  # as the step leaves them: compiled once
            moved, said = program(*values, given, command, *rest)
            for variable, value in zip(given_away, moved, strict=True):
                variable.assign(value)
            return said

        return call

    def _together(self, problem: str) -> Callable[..., Found]:
        """`gradients` of the problem's batches, which all workers find together: for every batch of a step alike."""
        if (kind := self.net.kind(problem)) in self._found_together:
            return self._found_together[kind]

        def find(values: Mapping[str, Any], *given: Any) -> Found:
            self.traced += 1
            used = self._used(problem, *given).read
            with keras.StatelessScope([(used[path], value) for path, value in values.items()]):
                return self.gradients(problem, *given)

        program = self.cluster.together(find)

        def call(*given: Any) -> Found:
            used = self._used(problem, *given).read
            return program({path: weight.value for path, weight in used.items()}, *given)

        return self._found_together.setdefault(kind, call)

    def _gathered(self, used: Used) -> list[Any]:
        """What batches of a step add up to, for those of the weights in use that train."""
        return [self.gathered[name] for name in (*used.read, "nats") if name in self.gathered]

    def _used(self, problem: str, *given: Any) -> Used:
        """What the loss of a problem's kind uses: a weight that it does not read has no gradient."""
        if self.net.kind(problem) in self._kinds:
            return self._kinds[self.net.kind(problem)]
        read: set[str] = set()
        moved: set[str] = set()

        class Reading(keras.StatelessScope):
            def get_current_value(self, variable: Any) -> Any:
                read.add(variable.path)
                return super().get_current_value(variable)

        def objective(*given: Any) -> Any:
            with Reading():
                minimised, *_, becomes = self.objective(problem, *given)
                moved.update(becomes)
                return minimised

        jax.eval_shape(objective, *given)
        weights = {weight.path: weight for weight in self.net.weights}
        used = Used(
            {path: one for path, one in weights.items() if path in read}, [weights[path] for path in sorted(moved)]
        )
        return self._kinds.setdefault(self.net.kind(problem), used)
