"""Steps as TensorFlow graphs.

Batch and length are left open in the signature, so a kind is traced once: tracing is the hidden cost of a joint run,
seconds for each trace.
"""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from t2t_mm.train.compiler import Compiler, Program, Specs


class TensorFlowCompiler(Compiler):
    """One graph for each kind, for all shapes."""

    def train(self, problem: str, specs: Specs) -> Program:
        weights = {weight.path: weight.value for weight in self.net.trainable_variables}
        scalars = [tf.TensorSpec([], dtype) for dtype in ("int32", "float32", "float32", "uint32")]

        @tf.function(input_signature=[_signature(specs), *scalars], autograph=False, jit_compile=False)
        def run(features: Any, command: Any, rate: Any, multiplier: Any, noise_seed: Any) -> Any:
            self.traced += 1
            with tf.GradientTape() as tape:
                objective, nats, reports = self.objective(problem, features, command, multiplier, noise_seed)
            found = zip(weights, tape.gradient(objective, list(weights.values())), strict=True)
            gradients = {path: tf.convert_to_tensor(gradient) for path, gradient in found if gradient is not None}
            norm = tf.linalg.global_norm(list(gradients.values()))
            self.optimiser.apply(self.clipped(gradients, norm), rate, command)
            return nats, norm, reports

        return run

    def judge(self, problem: str, metrics: Sequence[str], specs: Specs) -> Program:
        signature = [_signature(specs), tf.TensorSpec([], "int32")]

        @tf.function(input_signature=signature, autograph=False, jit_compile=False)
        def run(features: Any, command: Any) -> Any:
            self.traced += 1
            return self.sums(problem, metrics, features, command)

        return run


def _signature(specs: Specs) -> dict[str, dict[str, tf.TensorSpec]]:
    return {
        feature: {array: tf.TensorSpec(spec.shape, spec.dtype) for array, spec in arrays.items()}
        for feature, arrays in specs.items()
    }
