"""Steps in which each worker takes a problem of its own, as TensorFlow graphs: problem_choice=distributed.

The graphs of different workers are of different kinds of problem, and a graph of one kind neither reads nor moves the
weights of another. So a step has two programs: one for each kind, which needs no other worker and adds up the gradients
of its batch, and one for the whole net, the same on all workers, which sums these (all-reduce) and moves every weight
that any worker used.
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
from t2t_mm.train.step.step_input import StepInput
from t2t_mm.train.step.tensorflow_steps import RATE, TensorFlowCompiler, input_specs

WORKER = tf.TensorSpec([], "int32")


class ProblemPerWorkerCompiler:
    """Compiles the two programs of a step of `workers` workers: those of `cluster`, or all of them in this process."""

    def __init__(
        self, net: Net, optimizer: Optimizer, hparams: TrainingHparams, cluster: Cluster, workers: int
    ) -> None:
        self.single = TensorFlowCompiler(net, optimizer, hparams, accumulates=True)  # each batch stands for itself
        self.optimizer, self._cluster, self._workers = optimizer, cluster, workers
        self._own = {weight.path: weight for weight in net.non_trainable_variables}
        self._changes = {path: _zeros(weight.shape) for path, weight in self._own.items()}
        # Marks of weights in use, of rows of the table of commands in use, of batches that moved a weight without a
        # gradient; then nats a target and the norm of the gradient of each worker.
        self._sizes = [len(optimizer.weights), len(optimizer.commands), len(self._own), workers, workers]
        self._marks = _zeros((sum(self._sizes),))

    def accumulate(self, problem: str, specs: Specs) -> Program:
        """Return a function of (batch: StepInput, worker int32[]) that adds a batch's gradients and returns reports.

        `batch.share` is the batch's part of what its worker takes in the step.
        """

        def step(batch: StepInput, worker: Any) -> Any:
            self.single.traced += 1
            gradients = self.single.gradients_of(problem, batch)
            for path, gradient in gradients.by_path.items():
                self.single.accumulated[path].value.assign_add(batch.share * gradient)
            for path, value in gradients.moved.items():
                self._changes[path].value.assign_add(value - self._own[path].value)
            norm = tf.linalg.global_norm(list(gradients.by_path.values()))
            is_worker_W = tf.one_hot(worker, self._workers, on_value=True, off_value=False)
            marks = (
                _marked(self.optimizer.weights, gradients.by_path),
                tf.one_hot(batch.command, len(self.optimizer.commands)) * float(COMMANDS in gradients.by_path),
                _marked(self._own, gradients.moved),
                # no product, which would make another worker's number NaN too
                tf.where(is_worker_W, batch.share * gradients.nats, 0.0),
                tf.where(is_worker_W, batch.share * norm, 0.0),
            )
            self._marks.value.assign_add(tf.concat(marks, axis=0))
            return gradients.reports

        return tf.function(step, [input_specs(specs), WORKER], autograph=False, jit_compile=False)

    def update(self) -> Program:
        """Return a function of the learning rate, float32[], that moves what was used since its last call.

        Gradients are the means over workers, where a weight that a worker did not use counts as 0; then come weight
        decay and clipping, as in every step. Weights without a gradient move by the mean over the batches that moved
        them.

        It returns, for each worker, nats a target and the norm of its gradient (of several batches the mean by
        `share`), float32[W] each.
        """

        def step(rate: Any) -> Any:
            self.single.traced += 1
            return self._update(rate)

        return tf.function(self._cluster.run_on_all_workers(step), [RATE], autograph=False, jit_compile=False)

    def _update(self, rate: Any) -> Any:
        single = self.single
        accumulated = [single.accumulated[path] for path in self.optimizer.weights]
        kept = [self._marks, *accumulated, *self._changes.values()]
        marks, *sums = self._cluster.all_reduce([tf.identity(variable.value) for variable in kept])
        used_P, rows_C, moved_M, nats_W, norms_W = tf.split(marks, self._sizes)
        gradients = {path: total / self._workers for path, total in zip(self.optimizer.weights, sums, strict=False)}
        gradients = self.optimizer.decayed_where(gradients, used_P, rows_C)
        norm = tf.linalg.global_norm(list(gradients.values()))
        with tf.control_dependencies([marks, *sums]):  # nothing moves if a worker is lost
            workers_finite = tf.reduce_all(tf.math.is_finite(nats_W + norms_W))
            finite = workers_finite & tf.math.is_finite(norm)
            all_finite = single.all_finite.value * tf.cast(finite, "float32")
        single.all_finite.assign(all_finite)

        def move() -> Any:
            self.optimizer.apply_where(single.clipped(gradients, norm), rate, used_P, rows_C)
            return all_finite

        tf.cond(all_finite > 0.0, move, lambda: all_finite)
        for place, (path, change) in enumerate(zip(self._own, sums[len(accumulated) :], strict=True)):
            weight = self._own[path]
            target = weight.value + change / tf.maximum(moved_M[place], 1.0)
            weight.assign(tf.where((all_finite > 0.0) & (moved_M[place] > 0.0), target, weight.value))
        for variable in kept:
            variable.assign(tf.zeros_like(variable.value))
        return nats_W, tf.where(workers_finite & ~finite, norm, norms_W)


def _zeros(shape: Any) -> keras.Variable:
    return keras.Variable(np.zeros(shape, "float32"), trainable=False, name="accumulated")


def _marked(names: Any, some: Any) -> Any:
    """Return 1.0 for each of `names` that is in `some`, else 0.0: float32[len(names)]."""
    return tf.constant([float(name in some) for name in names], "float32")
