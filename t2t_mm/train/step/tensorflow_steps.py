"""Steps as TensorFlow graphs.

Batch and length are left open in the signature, so a kind is traced once: tracing is the hidden cost of a joint run,
seconds for each trace.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from t2t_mm.hparam_set import TrainingHparams
from t2t_mm.layers.replicas import ALONE as ONE
from t2t_mm.layers.replicas import Replicas
from t2t_mm.models.net import Net
from t2t_mm.train.distributed.cluster import ALONE, Cluster
from t2t_mm.train.optim.optimizer import Optimizer
from t2t_mm.train.step.compiler import Program, Specs, StepCompiler
from t2t_mm.train.step.shared_graphs import SharedGraphs

GIVEN = [tf.TensorSpec([], dtype) for dtype in ("int32", "float32", "uint32", "float32")]  # command to share
RATE = tf.TensorSpec([], "float32")


class TensorFlowCompiler(StepCompiler):
    """One graph for each kind, for all shapes. Several kinds share the graphs of encoder and decoder."""

    def __init__(self, net: Net, optimizer: Optimizer, hparams: TrainingHparams, cluster: Cluster = ALONE) -> None:
        super().__init__(net, optimizer, hparams, cluster)
        if len({net.kind(problem) for problem in net.signatures}) > 1:  # an inner function takes memory of its own
            self.inner = SharedGraphs()

    def train(self, problem: str, specs: Specs) -> Program:
        @tf.function(input_signature=[*self.given(specs), RATE], autograph=False, jit_compile=False)
        def run(*given: Any) -> Any:
            self.traced += 1
            return self.cluster.together(step)(*given)

        def step(features: Any, command: Any, *rest: Any) -> Any:
            *given, rate = rest
            gradients, nats, reports, moved, share = self.found(problem, specs, features, command, *given)
            gradients, nats = self.whole(gradients, nats, share, command)
            norm = tf.linalg.global_norm(list(gradients.values()))
            with tf.control_dependencies([*reports.values(), *moved.values()]):  # nothing moves if a worker is gone
                sound = self.sound.value * tf.cast(tf.math.is_finite(norm + nats), "float32")
            self.sound.assign(sound)

            def move() -> Any:
                self.optimizer.apply(self.clipped(gradients, norm), rate, command)
                return sound

            tf.cond(sound > 0.0, move, lambda: sound)
            self.follow(moved, sound)
            for name in (*gradients, "nats") if self.gathered else ():
                self.gathered[name].assign(tf.zeros_like(self.gathered[name].value))
            return nats, norm, reports

        return run

    def gather(self, problem: str, specs: Specs) -> Program:
        @tf.function(input_signature=self.given(specs), autograph=False, jit_compile=False)
        def run(*given: Any) -> None:
            self.traced += 1
            self.cluster.together(step)(*given)

        def step(*given: Any) -> None:
            gradients, nats, _, _, share = self.found(problem, specs, *given)
            for name, value in (gradients | {"nats": nats}).items():
                self.gathered[name].value.assign_add(share * value)

        return run

    def given(self, specs: Specs) -> list[Any]:
        """The signature of what `gather` takes, and `train` before the rate."""
        return [signature(specs), *GIVEN]

    def found(self, problem: str, specs: Specs, *given: Any) -> tuple[Any, ...]:
        """What `gradients` gives for that, and the share of the step that it is."""
        *batch, share = given
        return *self.gradients(problem, *batch, replicas=self.cluster.replicas), share

    def gradients(
        self, problem: str, *given: Any, replicas: Replicas = ONE
    ) -> tuple[dict[str, Any], Any, dict[str, Any], dict[str, Any]]:
        weights = {path: weight.value for path, weight in self.optimizer.weights.items()}
        with tf.GradientTape() as tape:
            objective, nats, reports, moved = self.objective(problem, *given, replicas=replicas)
        found = zip(weights, tape.gradient(objective, list(weights.values())), strict=True)
        return {path: tf.convert_to_tensor(one) for path, one in found if one is not None}, nats, reports, moved

    def clipped(self, gradients: Mapping[str, Any], norm: Any) -> Mapping[str, Any]:
        """As in the contract; gradients that are short enough are passed on as they are, not multiplied by one."""
        most, shrink = self.hparams.clip_grad_norm, super().clipped
        return tf.cond(norm > most, lambda: dict(shrink(gradients, norm)), lambda: dict(gradients))

    def judge(self, problem: str, metrics: Sequence[str], specs: Specs) -> Program:
        @tf.function(input_signature=[signature(specs), GIVEN[0]], autograph=False, jit_compile=False)
        def run(features: Any, command: Any) -> Any:
            self.traced += 1
            return self.sums(problem, metrics, features, command)

        return run


def signature(specs: Specs) -> dict[str, dict[str, tf.TensorSpec]]:
    """What a program of a step on batches of `specs` takes of them."""
    return {
        feature: {array: tf.TensorSpec(spec.shape, spec.dtype) for array, spec in arrays.items()}
        for feature, arrays in specs.items()
    }
