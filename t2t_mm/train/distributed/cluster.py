"""The processes that train one run together, on one host or several: each computes its part of every batch.

The first of them is the chief: it alone writes checkpoints, logs and evaluations. What they decide on their way (to
stop, to go back) they decide together, between steps, by sums over all of them.
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
    """All workers as one of them sees them. All must ask for the same sums in the same order."""

    def __init__(self, index: int, count: int) -> None:
        self.index, self.count = index, count

    @property
    def chief(self) -> bool:
        """Whether this is the worker that writes."""
        return self.index == 0

    @property
    def part(self) -> RowShard:
        """What this worker makes of each batch."""
        return RowShard(self.index, self.count)

    @property
    def devices(self) -> list[str]:
        """The devices of this process, as Keras names them."""
        return list(keras.distribution.list_devices())

    @property
    def replicas(self) -> Replicas:
        """What layers see, while a step is traced."""
        return Replicas(self.index, self.count, lambda x: self.totals([x])[0])

    @abc.abstractmethod
    def totals(self, tensors: Sequence[Any]) -> list[Any]:
        """The sum of each tensor over all workers, with its gradient; within what `together` runs."""

    @abc.abstractmethod
    def together(self, step: Callable[..., Any]) -> Callable[..., Any]:
        """`step`, which asks for totals, as all workers are to run it."""

    @abc.abstractmethod
    def told(self, program: Callable[..., Any]) -> Callable[..., Any]:
        """A compiled program that raises WorkerLost when another worker is gone."""

    @abc.abstractmethod
    def sums(self, numbers: Sequence[float]) -> list[float]:
        """The sum of each number over all workers. Waits for them, and raises WorkerLost when one is gone."""

    def any(self, *said: bool) -> list[bool]:
        """Of each statement, whether it is true of any worker."""
        return [total > 0 for total in self.sums([float(one) for one in said])]

    def from_chief(self, number: float) -> float:
        """The chief's number."""
        return self.sums([number if self.chief else 0.0])[0]

    def meet(self) -> None:
        """Wait until every worker has come this far."""
        self.sums([0.0])

    @contextmanager
    def chief_first(self) -> Iterator[None]:
        """The chief does what stands within, and when it is done the others do."""
        if not self.chief:
            self.meet()
        yield
        if self.chief:
            self.meet()

    def check_same(self, what: str, number: float) -> None:
        """Raise UserError, on every worker, unless `number` is the same on all of them."""
        numbers = self.sums([number if worker == self.index else 0.0 for worker in range(self.count)])
        others = [worker for worker, one in enumerate(numbers) if one != numbers[0]]
        if others:
            raise UserError(
                f"The {what} of worker {', '.join(map(str, others))} differs from the chief's. All workers take the "
                "same command, and --output_dir and --data_dir with the same files: folders that the hosts share."
            )


class Alone(Cluster):
    """One process."""

    def __init__(self) -> None:
        super().__init__(0, 1)

    def totals(self, tensors: Sequence[Any]) -> list[Any]:
        return list(tensors)

    def together(self, step: Callable[..., Any]) -> Callable[..., Any]:
        return step

    def told(self, program: Callable[..., Any]) -> Callable[..., Any]:
        return program

    def sums(self, numbers: Sequence[float]) -> list[float]:
        return np.asarray(numbers, np.float64).tolist()


ALONE = Alone()
