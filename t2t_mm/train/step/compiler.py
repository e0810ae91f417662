"""Base class of step compilers, one per backend; steps.py picks one."""

import abc
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from t2t_mm.feature import ArraySpec
from t2t_mm.hparam_set import TrainingHparams
from t2t_mm.layers.forward import Forward, Noise
from t2t_mm.layers.replicas import ALONE as ONE_REPLICA
from t2t_mm.layers.replicas import Replicas
from t2t_mm.metrics.on_logits import METRICS
from t2t_mm.models.net import Net
from t2t_mm.train.distributed.cluster import ALONE, Cluster
from t2t_mm.train.optim.optimizer import Optimizer
from t2t_mm.train.step.step_input import Gradients, StepInput

Specs = Mapping[str, Mapping[str, ArraySpec]]  # of a batch: by feature, then by array
Program = Callable[..., Any]


class StepCompiler(abc.ABC):
    """Compiles the training and evaluation steps of one net.

    A training step has one or more micro-batches of one problem (gradient accumulation). The program of all but the
    last adds its gradients to `accumulated`; the program of the last adds its own and moves the weights.

    `all_finite` is 1.0 until a step's loss or gradient is non-finite, then 0.0: neither that step nor any step after it
    moves anything, until it is set to 1.0 again.
    """

    inner: Callable[..., Any] | None = None  # `Forward.inner` of the backend

    def __init__(
        self,
        net: Net,
        optimizer: Optimizer,
        hparams: TrainingHparams,
        cluster: Cluster = ALONE,
        *,
        accumulates: bool | None = None,
    ) -> None:
        """`accumulates` says whether `accumulated` is needed; by default it follows from the hparams."""
        self.net, self.optimizer, self.hparams, self.cluster = net, optimizer, hparams, cluster
        self.traced = 0  # programs, counted where they are traced
        self.all_finite = keras.Variable(1.0, dtype="float32", trainable=False, name="all_finite")
        if accumulates is None:
            accumulates = hparams.accumulate_batches > self.parallel
        shapes = {"nats": ()} | {path: weight.shape for path, weight in optimizer.weights.items()}
        self.accumulated = {
            name: keras.Variable(np.zeros(shape, "float32"), trainable=False, name="accumulated")
            for name, shape in (shapes.items() if accumulates else ())
        }

    @property
    def parallel(self) -> int:
        """The number of micro-batches that one call of a program computes in parallel."""
        return 1

    @abc.abstractmethod
    def accumulate(self, problem: str, specs: Specs) -> Program:
        """Return a function of (micro_batches: tuple of StepInput) that adds their gradients to `accumulated`."""

    @abc.abstractmethod
    def update(self, problem: str, specs: Specs) -> Program:
        """Return a function of (micro_batches: tuple of StepInput, rate float32[]) that ends a step.

        It moves the weights that the problem's kind uses and returns (nats a target float32[], gradient norm float32[],
        reports). Weights that the kind's loss does not depend on stay as they are to the last bit, as do their slots.
        """

    @abc.abstractmethod
    def evaluate(self, problem: str, metrics: Sequence[str], specs: Specs) -> Program:
        """Return a function of (features, command int32[]): the sums of each metric, float32[B, K] by its name."""

    @abc.abstractmethod
    def gradients_of(self, problem: str, batch: StepInput, replicas: Replicas = ONE_REPLICA) -> Gradients:
        """Return the gradients of one micro-batch, for the weights that train and that the loss depends on."""

    def forward(self, batch: StepInput, replicas: Replicas = ONE_REPLICA) -> Forward:
        """Return the training-mode `Forward` of a micro-batch: its noise, precision and replicas."""
        noise = Noise(batch.seed)
        if replicas.count > 1:
            rows = ops.shape(next(iter(batch.features["targets"].values())))[0]
            rows_R = replicas.each(ops.cast(rows, "int32"))
            noise = Noise(batch.seed, rows, ops.sum(rows_R[: replicas.index]))
        return Forward(noise, dtype=self.hparams.precision, replicas=replicas, inner=self.inner)

    def nats_of(self, problem: str, batch: StepInput) -> Any:
        """Return the nats per target token of one micro-batch, float32[], by a forward pass alone."""
        forward, smoothing = self.forward(batch), self.hparams.label_smoothing
        return self.net.objective(problem, batch.features, batch.command, forward, batch.multiplier, smoothing)[1]

    def metric_sums(self, problem: str, metrics: Sequence[str], features: Any, command: Any) -> dict[str, Any]:
        """Return the sums of each metric for each example of a batch, float32[B, K] by name (teacher forcing)."""
        logits_BTV, labels_BT, real_BT = self.net.teacher_forced(problem, features, command, Forward(inner=self.inner))
        return {metric: METRICS[metric].sums(logits_BTV, labels_BT, real_BT) for metric in metrics}

    def combine(self, last: Gradients, command: Any) -> tuple[dict[str, Any], Any]:
        """Return (gradients by path, nats a target) of a whole step, from those of its last micro-batch.

        Adds the accumulated ones, sums over all workers (all-reduce), and adds the gradient of the weight decay.
        """
        gradients, nats = last.by_path, last.nats
        if self.accumulated:
            gradients = {path: self.accumulated[path].value + last.share * one for path, one in gradients.items()}
            nats = self.accumulated["nats"].value + last.share * nats
        nats, *summed = self.cluster.all_reduce([nats, *gradients.values()])
        gradients = dict(zip(gradients, summed, strict=True))
        return self.optimizer.decayed(gradients, command), nats

    def assign_moved(self, moved: Mapping[str, Any], all_finite: Any) -> None:
        """Set the weights that have no gradient to `moved`; of several micro-batches the last one does so."""
        own = {weight.path: weight for weight in self.net.non_trainable_variables}
        for path, value in moved.items():
            own[path].assign(ops.where(all_finite > 0.0, value, own[path].value))

    def clipped(self, gradients: Mapping[str, Any], norm: Any) -> Mapping[str, Any]:
        """Return `gradients`, whose global norm is `norm`, scaled down to `clip_grad_norm` where it is larger."""
        most = self.hparams.clip_grad_norm
        if most <= 0:
            return gradients
        shrink = most / ops.maximum(norm, most)
        return {path: gradient * shrink for path, gradient in gradients.items()}
