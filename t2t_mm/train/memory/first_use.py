"""Notes of the first use of each batch shape, so that the next process can say that this one ran out of memory.

A batch of a shape that this process has not used before may take more memory than there is. On a CPU the kernel then
kills the process without a message. So the file `first_use.json` is written to the run directory before a training step
or an evaluation on a new shape and removed afterwards. If the process was killed in between, the next one reads the
file and says on which batch the process ran out of memory. An accelerator raises an out-of-memory exception instead,
which is reported in the same words.
"""

import json
import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from t2t_mm.atomic_file import atomic_write
from t2t_mm.data.input.batch import Batch
from t2t_mm.errors import UserError
from t2t_mm.evaluation.batch_evaluator import EvaluatesBatches
from t2t_mm.hparam_set import DataHparams

NAME = "first_use.json"
PROC = Path("/proc")


class OutOfMemory(UserError):
    """Out of memory within a step, which may have updated a part of the weights."""


@dataclass(frozen=True)
class FirstUse:
    """A first use of a batch shape: a training step or an evaluation, and the process that did it."""

    what: str  # "a step on" or "the evaluation of"
    problem: str
    step: int
    shapes: dict[str, str]  # of the batch's arrays
    batch_size: int
    process: int
    host: str
    since: str  # date and time
    boot: str | None  # id of the machine's current boot
    ended_by_kernel: int | None  # processes that the kernel had killed because of lack of memory until then
    at_once: int = 1  # micro-batches that are computed in parallel

    def __str__(self) -> str:
        shapes = ", ".join(f"{name} {shape}" for name, shape in self.shapes.items())
        return f"{self.what} a batch of {self.problem} of {shapes}"

    @property
    def remedy(self) -> str:
        """A sentence that says which hparams to lower."""
        parallel = f"batches_at_once, which is {self.at_once}, or " if self.at_once > 1 else ""
        return (
            f"Lower {parallel}batch_size, which is {self.batch_size:,} (a plugin's problem also has "
            "batch_size_multiplier), or leave out long examples by max_length or audio_seconds; --check finds a "
            "batch_size that fits."
        )


class NewShapes:
    """Record of the batch shapes that a process has used."""

    def __init__(self, output_dir: Path | None, hparams: DataHparams) -> None:
        """Start without known shapes. Notes are written to `output_dir`; with None there are no notes."""
        self._note = None if output_dir is None else output_dir / NAME
        self._hparams = hparams
        self._known: set[tuple[Any, ...]] = set()

    @contextmanager
    def of(self, what: str, step: int, batches: Sequence[Batch], at_once: int = 1) -> Iterator[bool]:
        """Return a context in which batches are used; it gives True if one of their shapes is new.

        Args:
            what: "a step on" or "the evaluation of".
            step: the number of the step.
            batches: the batches of one problem.
            at_once: how many of them are computed in parallel; the shapes of such a group count as one shape.

        Raises OutOfMemory for the exceptions that a backend raises when it runs out of memory.
        """
        groups = [batches[first : first + at_once] for first in range(0, len(batches), at_once)]
        shapes = [(what, *((batch.problem, *batch.shapes.items()) for batch in group)) for group in groups]
        new = [group for group, shape in zip(groups, shapes, strict=True) if shape not in self._known]
        if new:
            self._write(self._use(what, step, [batch for group in new for batch in group], at_once))
        try:
            yield bool(new)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            use = self._use(what, step, batches, at_once)
            raise OutOfMemory(
                f"Out of memory at step {step:,}, in {use} ({type(error).__name__}). {use.remedy}"
            ) from error
        finally:
            if new:
                self._remove()
        self._known.update(shapes)

    def left(self) -> str:
        """Return sentences about an earlier process that died in a first use, or ""; remove its note."""
        if self._note is None or not self._note.is_file():
            return ""
        try:
            use = FirstUse(**json.loads(self._note.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return ""
        finally:
            self._remove()
        why = "It probably ran out of memory."
        if use.host == socket.gethostname():
            if use.boot != _boot():
                return ""  # the machine was restarted, which ended the process
            ended = _killed_by_kernel()
            if ended is not None and use.ended_by_kernel is not None:
                more = ended - use.ended_by_kernel
                why = (
                    f"It probably ran out of memory: processes killed by the kernel for that since then: {more:,}."
                    if more > 0
                    else "It may have run out of memory, but the kernel has killed no process for that since then, so "
                    "it may have been killed by hand."
                )
        return (
            f"The process before this one ({use.process} on {use.host}) ended without a message at step {use.step:,}, "
            f"begun {use.since}, in {use}: its first use of that shape. {why} {use.remedy}"
        )

    def _use(self, what: str, step: int, batches: Sequence[Batch], at_once: int = 1) -> FirstUse:
        """Return the first use of the largest of the batches."""
        largest = max(batches, key=_size)
        here = (os.getpid(), socket.gethostname(), time.strftime("%Y-%m-%d %H:%M:%S"), _boot(), _killed_by_kernel())
        return FirstUse(what, largest.problem, step, largest.shapes, self._hparams.batch_size, *here, at_once)

    def _write(self, use: FirstUse) -> None:
        if self._note is None:
            return
        try:
            with atomic_write(self._note) as partial:
                partial.write_text(json.dumps(asdict(use)) + "\n", encoding="utf-8")
        except UserError:  # a full disk does not end a run
            return

    def _remove(self) -> None:
        if self._note is not None:
            try:
                self._note.unlink(missing_ok=True)
            except OSError:  # a folder that became read-only
                return


class GuardedEvaluator:
    """Evaluator of batches that records their shapes and reports when memory runs out."""

    def __init__(self, steps: EvaluatesBatches, uses: NewShapes, step: int) -> None:
        self._steps, self._uses, self._step = steps, uses, step

    def evaluate_batch(self, batch: Batch, metrics: Sequence[str]) -> dict[str, np.ndarray]:
        """Evaluate a batch as `EvaluatesBatches` says.

        Raises UserError when memory runs out; the weights are then unchanged.
        """
        try:
            with self._uses.of("the evaluation of", self._step, [batch]):
                return self._steps.evaluate_batch(batch, metrics)
        except OutOfMemory as error:
            raise UserError(str(error)) from error


def is_out_of_memory(error: BaseException) -> bool:
    """Return True if `error` says that memory ran out, in the words of Python, TensorFlow or JAX."""
    text = f"{type(error).__name__} {error}".upper().replace("_", "")
    return isinstance(error, MemoryError) or "RESOURCEEXHAUSTED" in text


def _size(batch: Batch) -> int:
    """Return how many numbers the batch has."""
    return sum(array.size for arrays in batch.arrays.values() for array in arrays.values())


def _boot() -> str | None:
    """Return the id of the machine's current boot; None if the system has none."""
    try:
        return (PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None


def _killed_by_kernel() -> int | None:
    """Return how many processes the kernel has killed because of lack of memory; None if the system does not say."""
    try:
        lines = (PROC / "vmstat").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), None)
