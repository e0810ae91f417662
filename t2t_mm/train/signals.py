"""SIGTERM and SIGINT end training in order: the current step ends, the run is saved, then the command ends.

An evaluation in progress is left after its current batch; the same command repeats it.
"""

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

import numpy as np

from t2t_mm.data.input.batch import Batch
from t2t_mm.evaluation.batch_evaluator import EvaluatesBatches

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stop:
    """A request to stop, and the signal that made it; None without a request."""

    def __init__(self) -> None:
        self.signal: int | None = None

    @property
    def requested(self) -> bool:
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """The exit code of the command, as shells have it: 143 for SIGTERM, 130 for SIGINT; 0 without a request."""
        return 0 if self.signal is None else 128 + self.signal


class Stopped(Exception):
    """Raised to leave unfinished work when a stop was requested."""


@contextmanager
def stoppable() -> Iterator[Stop]:
    """Yield a Stop that records the first SIGTERM or SIGINT; a second signal acts at once.

    Outside the main thread, where Python sets no handlers, nothing is recorded.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def record(number: int, frame: FrameType | None) -> None:
        stop.signal = number
        for each, handler in before.items():
            signal.signal(each, handler)

    try:
        for number in SIGNALS:
            signal.signal(number, record)
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class StoppableEvaluator:
    """Evaluates batches as `steps` does, until a stop is requested."""

    def __init__(self, steps: EvaluatesBatches, stop: Stop) -> None:
        self._steps, self._stop = steps, stop

    def evaluate_batch(self, batch: Batch, metrics: Sequence[str]) -> dict[str, np.ndarray]:
        """Evaluate a batch as `EvaluatesBatches` says. Raises Stopped."""
        if self._stop.requested:
            raise Stopped
        return self._steps.evaluate_batch(batch, metrics)
