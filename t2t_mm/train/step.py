"""The compiled steps: one for each kind of problem, shared by the problems of that kind (TensorFlow backend).

A kind is a pair of ports. The command token is data and batch and length are left open in the signature, so a kind is
traced once: tracing is the hidden cost of a joint run, seconds for each trace.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from t2t_mm.data.batch import Batch
from t2t_mm.errors import UserError
from t2t_mm.hparam_set import TrainingHparams
from t2t_mm.layers.forward import Forward, Noise
from t2t_mm.metrics.on_logits import METRICS
from t2t_mm.models.net import Net
from t2t_mm.problem import ArraySpec
from t2t_mm.train.optimiser import Adam

Specs = Mapping[str, Mapping[str, ArraySpec]]  # of a batch: by feature, then by array


@dataclass(frozen=True)
class Stepped:
    """What a training step says, each a tensor of float32."""

    nats: Any  # [], nats per target token, unsmoothed and without penalties
    gradient_norm: Any  # [], global, before clipping
    reports: dict[str, Any]  # what layers report, by path: overflow and importance of experts


class Steps:
    """Training and evaluation steps of every problem of a net."""

    def __init__(
        self, net: Net, optimiser: Adam, specs: Mapping[str, Specs], hparams: TrainingHparams, seed: int
    ) -> None:
        if keras.backend.backend() != "tensorflow":
            raise UserError(
                f"Training runs on Keras' TensorFlow backend. Received: KERAS_BACKEND={keras.backend.backend()}; "
                "set KERAS_BACKEND=tensorflow or leave it unset."
            )
        self._net, self._optimiser, self._specs = net, optimiser, specs
        self._hparams, self._seed = hparams, seed
        self._compiled: dict[Any, Any] = {}

    def train(self, batch: Batch, step: int, rate: float, multiplier: float) -> Stepped:
        """One update on `batch` at the learning rate `rate`; the problem's loss counts `multiplier` times."""
        name = batch.problem
        run = self._once(("train", self._net.kind(name)), lambda: self._trace_train(name))
        noise_seed = zlib.crc32(f"{self._seed} step {step}".encode())
        command = np.int32(self._net.command(name))
        return Stepped(*run(batch.arrays, command, np.float32(rate), np.float32(multiplier), np.uint32(noise_seed)))

    def judge(self, batch: Batch, metrics: Sequence[str]) -> dict[str, np.ndarray]:
        """The sums of each of `metrics` for every example of `batch`, float32[examples, sums]."""
        name = batch.problem
        run = self._once(("judge", self._net.kind(name), *metrics), lambda: self._trace_judge(name, metrics))
        sums = run(batch.arrays, np.int32(self._net.command(name)))
        return {metric: sums_BK.numpy()[: len(batch.ids)] for metric, sums_BK in sums.items()}

    @property
    def traced(self) -> int:
        """How many steps were traced so far."""
        return sum(run.experimental_get_tracing_count() for run in self._compiled.values())

    def _once(self, key: Any, trace: Callable[[], Callable[..., Any]]) -> Callable[..., Any]:
        if key not in self._compiled:
            self._compiled[key] = trace()
        return self._compiled[key]

    def _signature(self, name: str) -> dict[str, dict[str, tf.TensorSpec]]:
        return {
            feature: {array: tf.TensorSpec(spec.shape, spec.dtype) for array, spec in arrays.items()}
            for feature, arrays in self._specs[name].items()
        }

    def _trace_train(self, name: str) -> Callable[..., Any]:
        weights = {weight.path: weight.value for weight in self._net.trainable_variables}
        scalars = [tf.TensorSpec([], dtype) for dtype in ("int32", "float32", "float32", "uint32")]

        @tf.function(input_signature=[self._signature(name), *scalars], autograph=False, jit_compile=False)
        def run(features: Any, command: Any, rate: Any, multiplier: Any, noise_seed: Any) -> Any:
            forward = Forward(Noise(noise_seed))
            with tf.GradientTape() as tape:
                loss = self._net.loss(name, features, command, forward, self._hparams.label_smoothing)
                objective = multiplier * loss.objective / tf.maximum(loss.count, 1.0)
                objective += sum(forward.penalties.values())
            found = zip(weights, tape.gradient(objective, list(weights.values())), strict=True)
            gradients = {path: tf.convert_to_tensor(gradient) for path, gradient in found if gradient is not None}
            norm = tf.linalg.global_norm(list(gradients.values()))
            if self._hparams.clip_grad_norm > 0:
                shrink = self._hparams.clip_grad_norm / tf.maximum(norm, self._hparams.clip_grad_norm)
                gradients = {path: gradient * shrink for path, gradient in gradients.items()}
            self._optimiser.apply(gradients, rate, command)
            return loss.nats / tf.maximum(loss.count, 1.0), norm, forward.reports

        return run

    def _trace_judge(self, name: str, metrics: Sequence[str]) -> Callable[..., Any]:
        @tf.function(
            input_signature=[self._signature(name), tf.TensorSpec([], "int32")], autograph=False, jit_compile=False
        )
        def run(features: Any, command: Any) -> Any:
            logits_BTV, labels_BT, real_BT = self._net.judge(name, features, command)
            return {metric: METRICS[metric].sums(logits_BTV, labels_BT, real_BT) for metric in metrics}

        return run
