"""Data-parallel training: several worker processes, on one host or several, train one run together.

Each worker computes its rows of every batch, and gradients are summed over all workers by all-reduce. The first worker
is the chief: only it writes checkpoints, logs and evaluations. Decisions such as to stop or to roll back are made
between steps by sums over all workers, so that all workers make the same decision.
"""

import abc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from t2t_mm.data.input.row_shard import RowShard
from t2t_mm.errors import UserError
from t2t_mm.layers.replicas import Replicas


class WorkerLost(UserError):
    """Another worker has ended or cannot be reached any more."""


class Cluster(abc.ABC):
    """All workers of a run, as seen by one of them. All workers must call the same methods in the same order."""

    def __init__(self, index: int, count: int) -> None:
        self.index, self.count = index, count

    @property
    def chief(self) -> bool:
        """True for the worker that writes."""
        return self.index == 0

    @property
    def part(self) -> RowShard:
        """The rows of each batch that this worker computes."""
        return RowShard(self.index, self.count)

    @property
    def devices(self) -> list[str]:
        """The devices of this process, by Keras' names."""
        return list(keras.distribution.list_devices())

    @property
    def replicas(self) -> Replicas:
        """The replicas for layers to use while a step is traced."""
        return Replicas(self.index, self.count, lambda x: self.all_reduce([x])[0])

    @abc.abstractmethod
    def all_reduce(self, tensors: Sequence[Any]) -> list[Any]:
        """Return the sum of each tensor over all workers, with its gradient; inside a step of `run_on_all_workers`."""

    @abc.abstractmethod
    def run_on_all_workers(self, step: Callable[..., Any]) -> Callable[..., Any]:
        """Return `step`, which may call `all_reduce`, as a function for all workers to run."""

    @abc.abstractmethod
    def raising_worker_lost(self, program: Callable[..., Any]) -> Callable[..., Any]:
        """Return a compiled program as a function that raises WorkerLost if another worker has ended."""

    @abc.abstractmethod
    def all_reduce_numbers(self, numbers: Sequence[float]) -> list[float]:
        """Return the sum of each number over all workers. Waits for them; raises WorkerLost if one has ended."""

    def any_worker(self, *values: bool) -> list[bool]:
        """Return the logical or over all workers, for each argument."""
        return [total > 0 for total in self.all_reduce_numbers([float(value) for value in values])]

    def broadcast_from_chief(self, number: float) -> float:
        """Return the chief's number on every worker (broadcast)."""
        return self.all_reduce_numbers([number if self.chief else 0.0])[0]

    def barrier(self) -> None:
        """Wait until every worker has called this method (barrier)."""
        self.all_reduce_numbers([0.0])

    @contextmanager
    def chief_first(self) -> Iterator[None]:
        """Return a context that the chief runs first; the others run it when the chief is done."""
        if not self.chief:
            self.barrier()
        yield
        if self.chief:
            self.barrier()

    def check_same(self, what: str, number: float) -> None:
        """Raise UserError on every worker unless `number` is the same on all of them."""
        numbers = self.all_reduce_numbers([number if worker == self.index else 0.0 for worker in range(self.count)])
        others = [worker for worker, one in enumerate(numbers) if one != numbers[0]]
        if others:
            raise UserError(
                f"The {what} of worker {', '.join(map(str, others))} differs from the chief's. Start all workers with "
                "the same command. --output_dir and --data_dir must be folders that all hosts share."
            )


class Alone(Cluster):
    """A cluster of one process."""

    def __init__(self) -> None:
        super().__init__(0, 1)

    def all_reduce(self, tensors: Sequence[Any]) -> list[Any]:
        return list(tensors)

    def run_on_all_workers(self, step: Callable[..., Any]) -> Callable[..., Any]:
        return step

    def raising_worker_lost(self, program: Callable[..., Any]) -> Callable[..., Any]:
        return program

    def all_reduce_numbers(self, numbers: Sequence[float]) -> list[float]:
        return np.asarray(numbers, np.float64).tolist()


ALONE = Alone()
