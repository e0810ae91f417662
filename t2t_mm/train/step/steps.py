"""The compiled steps: one for each kind of problem, shared by the problems of that kind.

A kind is a pair of ports. The command token is data; whether one program serves every shape of batch is the backend's
matter: tensorflow_steps.py, jax_steps.py.
"""

import math
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
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
from t2t_mm.train.step.compiler import Program, Specs, StepCompiler
from t2t_mm.train.step.step_input import StepInput

if TYPE_CHECKING:
    from t2t_mm.train.step.problem_per_worker import ProblemPerWorkerCompiler

RETURN_SECONDS = 4.0  # between two times that free pages are handed back, which takes some 10 ms


@dataclass(frozen=True)
class StepResult:
    """The results of a training step, each a float32 tensor; reading a value may wait until the step is done."""

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
        """With several `workers` each takes a problem of its own: those of `cluster`, or all of them in this process.

        Raises UserError for a backend that cannot train, or not in this way.
        """
        self.net, self._specs, self._seed, self._cluster = net, specs, seed, cluster
        self.workers = workers
        self.own = (cluster.index,) if cluster.count == workers else tuple(range(workers))  # workers of this process
        check_alone(hparams, max(workers, cluster.count))
        self._compiler: StepCompiler
        if workers > 1:
            self._per_worker = _per_worker_compiler()(net, optimizer, hparams, cluster, workers)
            self._compiler = self._per_worker.single
        else:
            self._compiler = _compiler()(net, optimizer, hparams, cluster)
        self._compiled: dict[Any, Callable[..., Any]] = {}
        self.compiling = 0.0  # seconds of calls in which something was traced or compiled, so far
        self._returned = -math.inf  # when free pages were handed back last

    def train(self, batches: Sequence[Batch], step: int, rate: float, multiplier: float) -> StepResult:
        """Take one step on micro-batches of one problem, at the learning rate `rate`.

        The micro-batches count as one large batch, each by its share of the target tokens (gradient accumulation); the
        problem's loss counts `multiplier` times. A step whose loss or gradient is non-finite moves nothing, nor does
        any step after it until `go_on`. Raises UserError for a number of micro-batches that `batches_at_once` does not
        divide.
        """
        name, parallel = batches[0].problem, self._compiler.parallel
        kind, specs = self.net.kind(name), self._specs[name]
        inputs = self._inputs(batches, step, multiplier)
        if len(inputs) % parallel:
            raise UserError(
                f"batches_at_once={parallel} takes that many micro-batches together; received {len(inputs)}."
            )
        *before, last = (tuple(inputs[first : first + parallel]) for first in range(0, len(inputs), parallel))
        with self._timed():
            for group in before:
                self._program(("accumulate", kind), partial(self._compiler.accumulate, name, specs))(group)
            update = self._program(("update", kind), partial(self._compiler.update, name, specs))
            return StepResult(*update(last, np.float32(rate)))

    def train_per_worker(
        self, batches_W: Sequence[Sequence[Batch]], step: int, rate: float, multipliers: Sequence[float]
    ) -> list[StepResult]:
        """Take one step on the micro-batches of each of `workers`, those of one problem; return a result for each.

        The objective is the mean over workers, each as in `train`. Norms are of each worker's own gradient, before the
        sum over workers; reports are those of the workers of this process.
        """
        reports = {}
        for worker in self.own:
            batches, first = batches_W[worker], sum(map(len, batches_W[:worker]))
            name = batches[0].problem
            key, specs = ("accumulate", self.net.kind(name)), self._specs[name]
            accumulate = self._program(key, partial(self._per_worker.accumulate, name, specs))
            for one in self._inputs(batches, step, multipliers[worker], first):
                with self._timed():
                    reports[worker] = accumulate(one, np.int32(worker))
        with self._timed():
            nats_W, norms_W = self._program(("update",), self._per_worker.update)(np.float32(rate))
        nats_W, norms_W = ops.convert_to_numpy(nats_W), ops.convert_to_numpy(norms_W)
        return [StepResult(nats_W[w], norms_W[w], reports.get(w, {})) for w in range(self.workers)]

    def go_on(self) -> None:
        """Let steps move weights again, after one whose loss or gradient was non-finite."""
        self._compiler.all_finite.assign(1.0)

    def loss(self, batch: Batch, step: int, number: int, multiplier: float) -> Any:
        """Return the nats a target of micro-batch `number` (from 0) of a step, computed eagerly; moves nothing."""
        return self._compiler.nats_of(batch.problem, self._inputs([batch], step, multiplier, number)[0])

    def gradients(self, batch: Batch, step: int, number: int, multiplier: float) -> dict[str, Any]:
        """Return the gradients of that micro-batch by path, computed eagerly too."""
        return self._compiler.gradients_of(batch.problem, self._inputs([batch], step, multiplier, number)[0]).by_path

    def evaluate_batch(self, batch: Batch, metrics: Sequence[str]) -> dict[str, np.ndarray]:
        """Return the sums of each of `metrics` for every example of `batch`, float32[examples, sums]."""
        name = batch.problem
        key = ("evaluate", self.net.kind(name), *metrics)
        program = self._program(key, partial(self._compiler.evaluate, name, metrics, self._specs[name]))
        with self._timed():
            sums = program(batch.arrays, np.int32(self.net.command(name)))
        return {metric: ops.convert_to_numpy(sums_BK)[: len(batch.ids)] for metric, sums_BK in sums.items()}

    @property
    def parallel(self) -> int:
        """The number of micro-batches of a step that are computed in parallel, and are in memory together."""
        return self._compiler.parallel

    @property
    def traced(self) -> int:
        """The number of programs that were traced so far."""
        return self._compiler.traced

    def trained(self, problem: str) -> bool:
        """Return True if a step was taken on a problem of its kind, so that the next need not be traced."""
        names = ("accumulate",) if self.workers > 1 else ("update",)
        return any((name, self.net.kind(problem)) in self._compiled for name in names)

    def _inputs(self, batches: Sequence[Batch], step: int, multiplier: float, first: int = 0) -> list[StepInput]:
        """Return what the programs of a step take of its micro-batches; the number of the first one is `first`."""
        targets = sum(batch.targets for batch in batches)
        inputs = []
        for number, batch in enumerate(batches, first):
            words = f"{self._seed} step {step}" + (f" batch {number}" if number else "")
            share = batch.targets / targets if targets else 1 / len(batches)
            inputs.append(
                StepInput(
                    features=batch.arrays,
                    command=np.int32(self.net.command(batch.problem)),
                    multiplier=np.float32(multiplier),
                    seed=np.uint32(zlib.crc32(words.encode())),
                    share=np.float32(share),
                )
            )
        return inputs

    def _program(self, key: Any, build: Callable[[], Program]) -> Program:
        """Return the program of that key, built at its first use; it raises WorkerLost when a worker is lost."""
        if key not in self._compiled:
            self._compiled[key] = self._cluster.raising_worker_lost(build())
        return self._compiled[key]

    @contextmanager
    def _timed(self) -> Iterator[None]:
        """Add up the time of calls that trace a program, and hand free pages back to the system now and then."""
        before, started = self.traced, time.perf_counter()
        yield
        if self.traced > before or time.perf_counter() - self._returned > RETURN_SECONDS:
            return_free_pages()
            self._returned = time.perf_counter()
        if self.traced > before:
            self.compiling += time.perf_counter() - started


def check_alone(hparams: TrainingHparams, workers: int) -> None:
    """Raise UserError for parallel micro-batches on several workers."""
    if hparams.batches_at_once > 1 and workers > 1:
        raise UserError(
            f"batches_at_once is for a process that trains alone; received {hparams.batches_at_once} and {workers} "
            "workers. Leave it at 1: a worker is given its part of every batch, and may be given its part of the cores."
        )


def _per_worker_compiler() -> type["ProblemPerWorkerCompiler"]:
    """Import the compiler of steps in which each worker takes a problem of its own. UserError for another backend."""
    if keras.backend.backend() != "tensorflow":
        raise UserError(
            "Workers take a problem each (problem_choice=distributed) on TensorFlow alone. Received: "
            f"KERAS_BACKEND={keras.backend.backend()}."
        )
    from t2t_mm.train.step.problem_per_worker import ProblemPerWorkerCompiler

    return ProblemPerWorkerCompiler


def _compiler() -> type[StepCompiler]:
    """Import the compiler of the backend, and with it the one library that the backend needs."""
    match keras.backend.backend():
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
