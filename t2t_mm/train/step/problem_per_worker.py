"""Steps in which each worker takes a problem of its own, as TensorFlow graphs: problem_choice=distributed.

Workers' graphs are of different kinds, and those of one kind neither read nor move what others do. So a step has two
programs: one of each kind, which meets nobody and adds up what its batch says, and one of the whole net, the same on
all workers, which sums that and moves what any of them used.
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from t2t_mm.hparam_set import TrainingHparams
from t2t_mm.models.net import COMMANDS, Net
from t2t_mm.train.distributed.cluster import Cluster
from t2t_mm.train.optim.optimizer import Optimizer
from t2t_mm.train.step.compiler import Program, Specs
from t2t_mm.train.step.tensorflow_steps import GIVEN, RATE, TensorFlowCompiler, signature

WORKER = tf.TensorSpec([], "int32")


class ProblemPerWorkerCompiler(TensorFlowCompiler):
    """Programs of `workers` workers, which are those of `everyone`, or are all played by one process."""

    gathers = True

    def __init__(
        self, net: Net, optimizer: Optimizer, hparams: TrainingHparams, everyone: Cluster, workers: int
    ) -> None:
        super().__init__(net, optimizer, hparams)  # without a cluster: a batch is whole for itself
        self._everyone, self._workers = everyone, workers
        self._own = {weight.path: weight for weight in net.non_trainable_variables}
        self._changes = {path: _zeros(weight.shape) for path, weight in self._own.items()}
        # Weights in use, rows of the table of commands in use, batches that moved a weight without a gradient; of each
        # worker nats a target and the norm of its gradient.
        self._sizes = [len(optimizer.weights), len(optimizer.commands), len(self._own), workers, workers]
        self._marks = _zeros((sum(self._sizes),))

    def gather(self, problem: str, specs: Specs) -> Program:
        """A function of (features, command int32[], multiplier float32[], noise_seed uint32[], share float32[], worker
        int32[]) that adds to what the step moves, and gives reports. `share` is the batch's part of what its worker
        takes in the step."""

        @tf.function(input_signature=[signature(specs), *GIVEN, WORKER], autograph=False, jit_compile=False)
        def run(features: Any, command: Any, multiplier: Any, noise_seed: Any, share: Any, worker: Any) -> Any:
            self.traced += 1
            given = features, command, multiplier, noise_seed
            gradients, nats, reports, moved = self.gradients(problem, *given)
            for path, gradient in gradients.items():
                self.gathered[path].value.assign_add(share * gradient)
            for path, value in moved.items():
                self._changes[path].value.assign_add(value - self._own[path].value)
            norm = tf.linalg.global_norm(list(gradients.values()))
            of_worker_W = tf.one_hot(worker, self._workers, on_value=True, off_value=False)
            marks = (
                _named(self.optimizer.weights, gradients),
                tf.one_hot(command, len(self.optimizer.commands)) * float(COMMANDS in gradients),
                _named(self._own, moved),
                # no product, which would make another worker's number NaN too
                tf.where(of_worker_W, share * nats, 0.0),
                tf.where(of_worker_W, share * norm, 0.0),
            )
            self._marks.value.assign_add(tf.concat(marks, axis=0))
            return reports

        return run

    def move(self) -> Program:
        """A function of the learning rate, float32[], that moves what was used since the last time.

        Gradients are the means over workers, where a weight that a worker did not use counts as 0; then come weight
        decay and clipping, as ever. Weights without a gradient move by the mean over the batches that moved them.

        It gives, of each worker, nats a target and the norm of its gradient (of several batches the mean by `share`),
        float32[W] each.
        """

        @tf.function(input_signature=[RATE], autograph=False, jit_compile=False)
        def run(rate: Any) -> Any:
            self.traced += 1
            return self._everyone.together(self._moved)(rate)

        return run

    def _moved(self, rate: Any) -> Any:
        gathered = [self.gathered[path] for path in self.optimizer.weights]
        kept = [self._marks, *gathered, *self._changes.values()]
        marks, *sums = self._everyone.totals([tf.identity(variable.value) for variable in kept])
        used_P, rows_C, followed_M, nats_W, norms_W = tf.split(marks, self._sizes)
        gradients = {path: total / self._workers for path, total in zip(self.optimizer.weights, sums, strict=False)}
        gradients = self.optimizer.decayed_where(gradients, used_P, rows_C)
        norm = tf.linalg.global_norm(list(gradients.values()))
        with tf.control_dependencies([marks, *sums]):  # nothing moves if a worker is gone
            own_are_finite = tf.reduce_all(tf.math.is_finite(nats_W + norms_W))
            finite = own_are_finite & tf.math.is_finite(norm)
            sound = self.sound.value * tf.cast(finite, "float32")
        self.sound.assign(sound)

        def move() -> Any:
            self.optimizer.apply_where(self.clipped(gradients, norm), rate, used_P, rows_C)
            return sound

        tf.cond(sound > 0.0, move, lambda: sound)
        for place, (path, change) in enumerate(zip(self._own, sums[len(gathered) :], strict=True)):
            weight = self._own[path]
            to = weight.value + change / tf.maximum(followed_M[place], 1.0)
            weight.assign(tf.where((sound > 0.0) & (followed_M[place] > 0.0), to, weight.value))
        for variable in kept:
            variable.assign(tf.zeros_like(variable.value))
        return nats_W, tf.where(own_are_finite & ~finite, norm, norms_W)


def _zeros(shape: Any) -> keras.Variable:
    return keras.Variable(np.zeros(shape, "float32"), trainable=False, name="gathered")


def _named(all_of: Any, some: Any) -> Any:
    return tf.constant([float(path in some) for path in all_of], "float32")
