"""The contract of what makes programs of steps: one for each backend, told apart in step.py."""

import abc
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import ops

from t2t_mm.feature import ArraySpec
from t2t_mm.hparam_set import TrainingHparams
from t2t_mm.layers.forward import Forward, Noise
from t2t_mm.layers.replicas import ALONE as ONE
from t2t_mm.layers.replicas import Replicas
from t2t_mm.metrics.on_logits import METRICS
from t2t_mm.models.net import Net
from t2t_mm.train.distributed.cluster import ALONE, Cluster
from t2t_mm.train.optim.optimizer import Optimizer

Specs = Mapping[str, Mapping[str, ArraySpec]]  # of a batch: by feature, then by array
Program = Callable[..., Any]


class Lowered(keras.layers.Layer):
    """Calls a function in which weights read as the layer's type, but for those made with `autocast=False`.

    The weights themselves and their gradients stay as they are. This is what Keras does around a layer's `call`.
    """

    def call(self, *, function: Callable[[], Any]) -> Any:
        return function()


class StepCompiler(abc.ABC):
    """Makes programs of one net's steps. What a step computes stands here, how it is compiled in the backend's own.

    `sound` is 1.0 until a step's loss or gradient is not finite, then 0.0: neither that step nor those after it move
    anything, until it is set to 1.0 again. `gathered` holds what the programs of a step but the last add up to, where a
    step takes several: gradients by path, and "nats"; a compiler that `gathers` has it always.
    """

    inner: Callable[..., Any] | None = None  # calls what a forward pass has traced once
    gathers = False
    side_by_side = False  # whether programs take several batches, as the hparam batches_at_once says

    def __init__(self, net: Net, optimizer: Optimizer, hparams: TrainingHparams, cluster: Cluster = ALONE) -> None:
        self.net, self.optimizer, self.hparams, self.cluster = net, optimizer, hparams, cluster
        self.at_once = hparams.batches_at_once if self.side_by_side else 1  # batches that a program takes
        self.traced = 0  # steps, counted where they are traced
        self.sound = keras.Variable(1.0, dtype="float32", trainable=False, name="sound")
        shapes = {"nats": ()} | {path: weight.shape for path, weight in optimizer.weights.items()}
        self.gathered = {
            name: keras.Variable(np.zeros(shape, "float32"), trainable=False, name="gathered")
            for name, shape in (shapes.items() if self.gathers or hparams.accumulate_batches > self.at_once else ())
        }

    @abc.abstractmethod
    def train(self, problem: str, specs: Specs) -> Program:
        """A function of (features, command int32[], multiplier float32[], noise_seed uint32[], share float32[], rate
        float32[]) that moves what the problem's kind uses; gives (nats a target float32[], gradient norm float32[],
        reports). `share` is the batch's part of the step's targets: 1 but where a step takes several batches.

        Weights that the kind's loss does not depend on stay as they are to the last bit, as do their slots.
        """

    @abc.abstractmethod
    def gather(self, problem: str, specs: Specs) -> Program:
        """The same for a batch that others of its step follow, without `rate`: adds to `gathered` and gives nothing."""

    def grouped(self, given: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """What calls of `gather` take for a step of these batches, and last that of `train`, but for the rate.

        `given` holds (features, command, multiplier, noise_seed, share) of each batch, which is what they take but for
        programs that are `side_by_side`. Raises UserError for a number of batches that they can't be called with.
        """
        return list(given)

    @abc.abstractmethod
    def gradients(
        self, problem: str, *given: Any, replicas: Replicas = ONE
    ) -> tuple[dict[str, Any], Any, dict[str, Any], dict[str, Any]]:
        """(gradients by path, nats, reports, moved) for what `objective` takes behind the problem; gradients are those
        of the weights that train and that the loss depends on."""

    @abc.abstractmethod
    def judge(self, problem: str, metrics: Sequence[str], specs: Specs) -> Program:
        """A function of (features, command int32[]): the sums of each metric, float32[B, K] by its name."""

    def objective(
        self, problem: str, features: Any, command: Any, multiplier: Any, noise_seed: Any, *, replicas: Replicas = ONE
    ) -> Any:
        """(what training minimises, nats a target, reports, what weights without gradients become, by path).

        Of several replicas each gives its part of the first two, which add up to those of the whole batch.
        """
        precision, smoothing = self.hparams.precision, self.hparams.label_smoothing
        noise = _noise(noise_seed, features, replicas)
        forward = Forward(noise, dtype=precision, replicas=replicas, inner=self.inner)
        judged = partial(self.net.loss, problem, features, command, forward, smoothing)
        loss = judged() if precision == "float32" else Lowered(dtype=f"mixed_{precision}")(function=judged)
        count = ops.maximum(replicas.total(loss.count), 1.0)
        objective = multiplier * loss.objective / count + sum(forward.penalties.values()) / replicas.count
        return objective, loss.nats / count, forward.reports, forward.moved

    def sums(self, problem: str, metrics: Sequence[str], features: Any, command: Any) -> dict[str, Any]:
        """What `judge` gives."""
        logits_BTV, labels_BT, real_BT = self.net.judge(problem, features, command, Forward(inner=self.inner))
        return {metric: METRICS[metric].sums(logits_BTV, labels_BT, real_BT) for metric in metrics}

    def whole(self, gradients: dict[str, Any], nats: Any, share: Any, command: Any) -> tuple[dict[str, Any], Any]:
        """(gradients, nats) of a step, from those of its last batch here: with `gathered`, what other workers found and
        weight decay."""
        if self.gathered:
            gradients = {path: self.gathered[path].value + share * one for path, one in gradients.items()}
            nats = self.gathered["nats"].value + share * nats
        nats, *summed = self.cluster.totals([nats, *gradients.values()])
        gradients = dict(zip(gradients, summed, strict=True))
        return self.optimizer.decayed(gradients, command), nats

    def follow(self, moved: Mapping[str, Any], sound: Any) -> None:
        """Move the weights that have no gradient. Of several batches of a step the last one does so."""
        own = {weight.path: weight for weight in self.net.non_trainable_variables}
        for path, value in moved.items():
            own[path].assign(ops.where(sound > 0.0, value, own[path].value))

    def clipped(self, gradients: Mapping[str, Any], norm: Any) -> Mapping[str, Any]:
        """`gradients`, whose global norm is `norm`, shrunk to `clip_grad_norm` if that is less."""
        most = self.hparams.clip_grad_norm
        if most <= 0:
            return gradients
        shrink = most / ops.maximum(norm, most)
        return {path: gradient * shrink for path, gradient in gradients.items()}


def _noise(seed: Any, features: Any, replicas: Replicas) -> Noise:
    if replicas.count == 1:
        return Noise(seed)
    rows = ops.shape(next(iter(features["targets"].values())))[0]
    rows_R = replicas.each(ops.cast(rows, "int32"))
    return Noise(seed, rows, ops.sum(rows_R[: replicas.index]))
