"""SIGTERM and SIGINT asked for nicely: the step under way ends, the run is saved, then the command leaves.

An evaluation under way is left after the batch that is being judged: the same command makes up for it.
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
    """Whether someone asked to stop, and by which signal."""

    def __init__(self) -> None:
        self.signal: int | None = None

    @property
    def asked(self) -> bool:
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """128 plus the signal's number, as shells have it: 143 for SIGTERM, 130 for SIGINT; 0 if nobody asked."""
        return 0 if self.signal is None else 128 + self.signal


class Stopped(Exception):
    """Someone asked to stop, and what was under way is left as it is."""


@contextmanager
def stoppable() -> Iterator[Stop]:
    """Note the first SIGTERM or SIGINT in the Stop that is yielded; a second one acts at once.

    Outside the main thread, where Python sets no handlers, nothing is noted.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def note(number: int, frame: FrameType | None) -> None:
        stop.signal = number
        for each, handler in before.items():
            signal.signal(each, handler)

    try:
        for number in SIGNALS:
            signal.signal(number, note)
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class StoppableEvaluator:
    """Judges batches as `steps` does, until a stop is asked for."""

    def __init__(self, steps: EvaluatesBatches, stop: Stop) -> None:
        self._steps, self._stop = steps, stop

    def evaluate_batch(self, batch: Batch, metrics: Sequence[str]) -> dict[str, np.ndarray]:
        """As in the contract. Raises Stopped."""
        if self._stop.asked:
            raise Stopped
        return self._steps.evaluate_batch(batch, metrics)
