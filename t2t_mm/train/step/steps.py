"""The compiled steps: one for each kind of problem, shared by the problems of that kind.

A kind is a pair of ports. The command token is data; whether a step serves every shape of batch is the backend's
matter: step_tensorflow.py, step_jax.py.
"""

import math
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from t2t_mm.data.input.batch import Batch
from t2t_mm.errors import UserError
from t2t_mm.hparam_set import TrainingHparams
from t2t_mm.models.net import Net
from t2t_mm.train.distributed.cluster import ALONE, Cluster
from t2t_mm.train.memory.malloc_trim import return_free_pages
from t2t_mm.train.optim.optimizer import Optimizer
from t2t_mm.train.step.compiler import Specs, StepCompiler

if TYPE_CHECKING:
    from t2t_mm.train.step.problem_per_worker import ProblemPerWorkerCompiler


RETURN_SECONDS = 4.0  # between two times that free pages are handed back, which takes some 10 ms


@dataclass(frozen=True)
class StepResult:
    """What a training step says, each a tensor of float32; asking for a value may wait until the step is done."""

    nats: Any  # [], nats per target token, unsmoothed and without penalties
    gradient_norm: Any  # [], global, before clipping
    reports: dict[str, Any]  # what layers report, by path: overflow and importance of experts


class Steps:
    """Training and evaluation steps of every problem of a net."""

    def __init__(
        self,
        net: Net,
        optimizer: Optimizer,
        specs: Mapping[str, Specs],
        hparams: TrainingHparams,
        seed: int,
        cluster: Cluster = ALONE,
        workers: int = 1,
    ) -> None:
        """If there are several `workers`, each takes a problem of its own: those of `cluster`, or all this process.

        Raises UserError for a backend that trains nothing, or not so.
        """
        self.net, self._specs, self._seed, self._cluster = net, specs, seed, cluster
        self.workers = workers
        self.own = (cluster.index,) if cluster.count == workers else tuple(range(workers))  # workers of this process
        self._compiler: StepCompiler
        check_alone(hparams, max(workers, cluster.count))
        if workers > 1:
            self._compiler = self._apart = _apart()(net, optimizer, hparams, cluster, workers)
        else:
            self._compiler = _compiler(hparams.batches_at_once)(net, optimizer, hparams, cluster)
        self._compiled: dict[Any, Callable[..., Any]] = {}
        self.compiling = 0.0  # seconds of calls in which something was traced or compiled, so far
        self._returned = -math.inf  # when free pages were handed back last

    def train(
        self, batch: Batch, step: int, rate: float, multiplier: float, others: Sequence[Batch] = ()
    ) -> StepResult:
        """One update on `batch` at the learning rate `rate`; the problem's loss counts `multiplier` times.

        With `others`, of the same problem, all together count as one large batch: each by its share of the targets. A
        step whose loss or gradient is not finite moves nothing, nor does any step after it until `go_on`.
        """
        name, kind, batches = batch.problem, self.net.kind(batch.problem), [batch, *others]
        targets = sum(one.targets for one in batches)
        shares = [np.float32(one.targets / targets if targets else 1 / len(batches)) for one in batches]
        given = [(*self._given(one, step, number, multiplier), shares[number]) for number, one in enumerate(batches)]
        *before, last = self._compiler.grouped(given)
        for group in before:
            gather = self._once(("gather", kind), lambda: self._compiler.gather(name, self._specs[name]))
            gather(*group)
        train = self._once(("train", kind), lambda: self._compiler.train(name, self._specs[name]))
        return StepResult(*train(*last, np.float32(rate)))

    def train_apart(
        self, taken: Sequence[Sequence[Batch]], step: int, rate: float, multipliers: Sequence[float]
    ) -> list[StepResult]:
        """One update on what each of `workers` has taken, batches of one problem; gives what it says of each worker.

        The objective is the mean of the workers', each of its batches as in `train`. Norms are of what each worker
        found, before that is brought together; reports are those of this process alone.
        """
        reports = {}
        for worker in self.own:
            first, total = sum(map(len, taken[:worker])), sum(batch.targets for batch in taken[worker])
            for number, batch in enumerate(taken[worker]):
                name, share = batch.problem, batch.targets / total if total else 1 / len(taken[worker])
                key, specs = ("train", self.net.kind(name)), self._specs[name]
                gather = self._once(key, partial(self._apart.gather, name, specs))
                given = self._given(batch, step, first + number, multipliers[worker])
                reports[worker] = gather(*given, np.float32(share), np.int32(worker))
        told = self._once(("move",), self._apart.move)(np.float32(rate))
        nats_W, norms_W = (ops.convert_to_numpy(each) for each in told)
        return [StepResult(nats_W[w], norms_W[w], reports.get(w, {})) for w in range(self.workers)]

    def go_on(self) -> None:
        """After a step whose loss or gradient was not finite: let steps move weights again."""
        self._compiler.sound.assign(1.0)

    def loss(self, batch: Batch, step: int, number: int, multiplier: float) -> Any:
        """Nats a target of batch `number` (from 0) of a step, computed operation by operation; moves nothing."""
        return self._compiler.objective(batch.problem, *self._given(batch, step, number, multiplier))[1]

    def gradients(self, batch: Batch, step: int, number: int, multiplier: float) -> dict[str, Any]:
        """The gradients of that batch by path, likewise."""
        return self._compiler.gradients(batch.problem, *self._given(batch, step, number, multiplier))[0]

    def _given(self, batch: Batch, step: int, number: int, multiplier: float) -> tuple[Any, ...]:
        """What the loss of batch `number` (from 0) of a step takes."""
        words = f"{self._seed} step {step}" + (f" batch {number}" if number else "")
        command = np.int32(self.net.command(batch.problem))
        return batch.arrays, command, np.float32(multiplier), np.uint32(zlib.crc32(words.encode()))

    def judge(self, batch: Batch, metrics: Sequence[str]) -> dict[str, np.ndarray]:
        """The sums of each of `metrics` for every example of `batch`, float32[examples, sums]."""
        name = batch.problem
        key = ("judge", self.net.kind(name), *metrics)
        run = self._once(key, lambda: self._compiler.judge(name, metrics, self._specs[name]))
        sums = run(batch.arrays, np.int32(self.net.command(name)))
        return {metric: ops.convert_to_numpy(sums_BK)[: len(batch.ids)] for metric, sums_BK in sums.items()}

    @property
    def at_once(self) -> int:
        """How many batches of a step are computed side by side, and take memory together."""
        return self._compiler.at_once

    @property
    def traced(self) -> int:
        """How many steps were traced so far."""
        return self._compiler.traced

    def trained(self, problem: str) -> bool:
        """Whether a step was taken on a problem of its kind, so that the next need not be traced."""
        return ("train", self.net.kind(problem)) in self._compiled

    def _once(self, key: Any, compile: Callable[[], Callable[..., Any]]) -> Callable[..., Any]:
        if key not in self._compiled:
            self._compiled[key] = self._timed(self._cluster.told(compile()))
        return self._compiled[key]

    def _timed(self, program: Callable[..., Any]) -> Callable[..., Any]:
        """`program`; the time of calls that trace it is added up, and free pages are handed back now and then."""

        def call(*given: Any) -> Any:
            before, started = self.traced, time.perf_counter()
            said = program(*given)
            if self.traced > before or time.perf_counter() - self._returned > RETURN_SECONDS:
                return_free_pages()
                self._returned = time.perf_counter()
            if self.traced > before:
                self.compiling += time.perf_counter() - started
            return said

        return call


def check_alone(hparams: TrainingHparams, workers: int) -> None:
    """Raise UserError where several workers would each compute batches side by side."""
    if hparams.batches_at_once > 1 and workers > 1:
        raise UserError(
            f"batches_at_once is for a process that trains alone; received {hparams.batches_at_once} and {workers} "
            "workers. Leave it at 1: a worker is given its part of every batch, and may be given its part of the cores."
        )


def _apart() -> type["ProblemPerWorkerCompiler"]:
    """As `_compiler`, of steps in which each worker takes a problem of its own."""
    if keras.backend.backend() != "tensorflow":
        raise UserError(
            "Workers take a problem each (problem_choice=distributed) on TensorFlow alone. Received: "
            f"KERAS_BACKEND={keras.backend.backend()}."
        )
    from t2t_mm.train.step.problem_per_worker import ProblemPerWorkerCompiler

    return ProblemPerWorkerCompiler


def _compiler(batches_at_once: int) -> type[StepCompiler]:
    """Imports the one library that the backend needs."""
    match keras.backend.backend():
        case "tensorflow" if batches_at_once > 1:
            from t2t_mm.train.step.parallel_microbatches import ParallelMicrobatchCompiler

            return ParallelMicrobatchCompiler
        case "tensorflow":
            from t2t_mm.train.step.tensorflow_steps import TensorFlowCompiler

            return TensorFlowCompiler
        case "jax":
            from t2t_mm.train.step.jax_steps import JaxCompiler

            return JaxCompiler
        case other:
            raise UserError(
                f"Training runs on Keras' TensorFlow or JAX backend. Received: KERAS_BACKEND={other}; "
                "set KERAS_BACKEND=tensorflow (or leave it unset) or KERAS_BACKEND=jax."
            )
