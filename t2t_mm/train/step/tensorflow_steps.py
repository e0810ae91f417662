"""Steps as TensorFlow graphs.

Batch size and length are left open in the signature, so that a kind of problem is traced once: tracing takes seconds,
and a joint run has many kinds.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from t2t_mm.hparam_set import TrainingHparams
from t2t_mm.layers.replicas import ALONE as ONE_REPLICA
from t2t_mm.layers.replicas import Replicas
from t2t_mm.models.net import Net
from t2t_mm.train.distributed.cluster import ALONE, Cluster
from t2t_mm.train.optim.optimizer import Optimizer
from t2t_mm.train.step.compiler import Program, Specs, StepCompiler
from t2t_mm.train.step.parallel_microbatches import gradients_in_parallel
from t2t_mm.train.step.shared_graphs import SharedGraphs
from t2t_mm.train.step.step_input import Gradients, StepInput

COMMAND, RATE = tf.TensorSpec([], "int32"), tf.TensorSpec([], "float32")


class TensorFlowCompiler(StepCompiler):
    """One graph for each kind of problem, for all shapes. Several kinds share the graphs of encoder and decoder."""

    def __init__(
        self,
        net: Net,
        optimizer: Optimizer,
        hparams: TrainingHparams,
        cluster: Cluster = ALONE,
        *,
        accumulates: bool | None = None,
    ) -> None:
        super().__init__(net, optimizer, hparams, cluster, accumulates=accumulates)
        if len({net.kind(problem) for problem in net.signatures}) > 1:  # an inner function takes memory of its own
            self.inner = SharedGraphs()

    @property
    def parallel(self) -> int:
        return self.hparams.batches_at_once

    def update(self, problem: str, specs: Specs) -> Program:
        def step(batches: tuple[StepInput, ...], rate: Any) -> Any:
            self.traced += 1
            command = batches[0].command
            if len(batches) == 1:
                last = self.gradients_of(problem, batches[0], self.cluster.replicas)
            else:
                last = gradients_in_parallel(self.gradients_of, problem, batches, input_specs(specs))
            gradients, nats = self.combine(last, command)
            norm = tf.linalg.global_norm(list(gradients.values()))
            with tf.control_dependencies([*last.reports.values(), *last.moved.values()]):  # none if a worker is lost
                all_finite = self.all_finite.value * tf.cast(tf.math.is_finite(norm + nats), "float32")
            self.all_finite.assign(all_finite)

            def move() -> Any:
                self.optimizer.apply(self.clipped(gradients, norm), rate, command)
                return all_finite

            tf.cond(all_finite > 0.0, move, lambda: all_finite)
            self.assign_moved(last.moved, all_finite)
            for name in (*gradients, "nats") if self.accumulated else ():
                self.accumulated[name].assign(tf.zeros_like(self.accumulated[name].value))
            return nats, norm, last.reports

        return self._program(step, [self._signature(specs), RATE])

    def accumulate(self, problem: str, specs: Specs) -> Program:
        def step(batches: tuple[StepInput, ...]) -> None:
            self.traced += 1
            if len(batches) == 1:
                sums = self.gradients_of(problem, batches[0], self.cluster.replicas)
            else:
                sums = gradients_in_parallel(self.gradients_of, problem, batches, input_specs(specs))
            for name, value in (sums.by_path | {"nats": sums.nats}).items():
                self.accumulated[name].value.assign_add(sums.share * value)

        return self._program(step, [self._signature(specs)])

    def evaluate(self, problem: str, metrics: Sequence[str], specs: Specs) -> Program:
        def step(features: Any, command: Any) -> Any:
            self.traced += 1
            return self.metric_sums(problem, metrics, features, command)

        return tf.function(step, [feature_specs(specs), COMMAND], autograph=False, jit_compile=False)

    def gradients_of(self, problem: str, batch: StepInput, replicas: Replicas = ONE_REPLICA) -> Gradients:
        weights = {path: weight.value for path, weight in self.optimizer.weights.items()}
        forward = self.forward(batch, replicas)
        smoothing = self.hparams.label_smoothing
        with tf.GradientTape() as tape:
            objective, nats = self.net.objective(
                problem, batch.features, batch.command, forward, batch.multiplier, smoothing
            )
        pairs = zip(weights, tape.gradient(objective, list(weights.values())), strict=True)
        by_path = {path: tf.convert_to_tensor(one) for path, one in pairs if one is not None}
        return Gradients(by_path, nats, forward.reports, forward.moved, batch.share)

    def clipped(self, gradients: Mapping[str, Any], norm: Any) -> Mapping[str, Any]:
        """As in the contract; gradients that are short enough are passed on as they are, not multiplied by one."""
        most, shrink = self.hparams.clip_grad_norm, super().clipped
        return tf.cond(norm > most, lambda: dict(shrink(gradients, norm)), lambda: dict(gradients))

    def _signature(self, specs: Specs) -> tuple[StepInput, ...]:
        return (input_specs(specs),) * self.parallel

    def _program(self, step: Program, signature: Sequence[Any]) -> Program:
        return tf.function(self.cluster.run_on_all_workers(step), signature, autograph=False, jit_compile=False)


def feature_specs(specs: Specs) -> dict[str, dict[str, tf.TensorSpec]]:
    """Return the tensor specifications of the features of a batch."""
    return {
        feature: {array: tf.TensorSpec(spec.shape, spec.dtype) for array, spec in arrays.items()}
        for feature, arrays in specs.items()
    }


def input_specs(specs: Specs) -> StepInput:
    """Return the tensor specifications of one micro-batch."""
    command, multiplier, seed, share = (tf.TensorSpec([], dtype) for dtype in ("int32", "float32", "uint32", "float32"))
    return StepInput(feature_specs(specs), command, multiplier, seed, share)
