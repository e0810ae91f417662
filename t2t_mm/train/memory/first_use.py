"""What may take more memory than there is: a batch of a shape that this process has not used before.

On a CPU the kernel ends a process without a word. So a note stands in the run directory, the file `first_use.json`,
while a step is taken or a batch judged on a new shape, and goes when that is done: the next start reads what died. An
accelerator raises an exception, which is told in the same words.
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

from t2t_mm.atomic_file import whole_file
from t2t_mm.data.input.batch import Batch
from t2t_mm.errors import UserError
from t2t_mm.evaluation.batch_evaluator import EvaluatesBatches
from t2t_mm.hparam_set import DataHparams

NAME = "first_use.json"
PROC = Path("/proc")


class OutOfMemory(UserError):
    """Memory gave out within a step, which may have moved a part of the weights."""


@dataclass(frozen=True)
class Use:
    """What a process was about to do, for the first time with such a batch."""

    what: str  # "a step on" or "the evaluation of"
    problem: str
    step: int
    shapes: dict[str, str]  # of the batch's arrays
    batch_size: int
    process: int
    host: str
    since: str
    boot: str | None  # of the machine, which tells one start of it from the next
    ended_by_kernel: int | None  # processes, for want of memory, so far
    at_once: int = 1  # such batches

    def __str__(self) -> str:
        shapes = ", ".join(f"{name} {shape}" for name, shape in self.shapes.items())
        return f"{self.what} a batch of {self.problem} of {shapes}"

    @property
    def remedy(self) -> str:
        together = f"batches_at_once, which is {self.at_once}, or " if self.at_once > 1 else ""
        return (
            f"Lower {together}batch_size, which is {self.batch_size:,} (a plugin's problem also has "
            "batch_size_multiplier), or leave out long examples by max_length or audio_seconds; --check finds a "
            "batch_size that fits."
        )


class NewShapes:
    """Watches over the shapes that a process uses."""

    def __init__(self, output_dir: Path | None, hparams: DataHparams) -> None:
        """Notes are left in `output_dir`; None leaves none."""
        self._note = None if output_dir is None else output_dir / NAME
        self._hparams = hparams
        self._known: set[tuple[Any, ...]] = set()

    @contextmanager
    def of(self, what: str, step: int, batches: Sequence[Batch], at_once: int = 1) -> Iterator[bool]:
        """Do something with batches of a problem, `at_once` of them together; gives whether one of them, or what stands
        together, is new in its shape.

        Raises OutOfMemory for what a backend raises when memory gives out.
        """
        groups = [batches[first : first + at_once] for first in range(0, len(batches), at_once)]
        shapes = [(what, *((batch.problem, *batch.shapes.items()) for batch in group)) for group in groups]
        new = [group for group, shape in zip(groups, shapes, strict=True) if shape not in self._known]
        if new:
            self._write(self._use(what, step, [batch for group in new for batch in group], at_once))
        try:
            yield bool(new)
        except Exception as error:
            if not is_for_want_of_memory(error):
                raise
            use = self._use(what, step, batches, at_once)
            raise OutOfMemory(
                f"Memory gave out at step {step:,}, in {use} ({type(error).__name__}). {use.remedy}"
            ) from error
        finally:
            if new:
                self._remove()
        self._known.update(shapes)

    def left(self) -> str:
        """What an earlier process died of, in sentences, if it died in a first use; the note is then removed."""
        if self._note is None or not self._note.is_file():
            return ""
        try:
            use = Use(**json.loads(self._note.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return ""
        finally:
            self._remove()
        why = "Most often that is for want of memory."
        if use.host == socket.gethostname():
            if use.boot != _boot():
                return ""  # the machine went down
            ended = _ended_by_kernel()
            if ended is not None and use.ended_by_kernel is not None:
                more = ended - use.ended_by_kernel
                counted = f"{more:,} since then" if more > 0 else "none since then, so it may have been killed by hand"
                why = f"{why[:-1]}; of processes that it ended for that, the kernel counts {counted}."
        return (
            f"The process before this one ({use.process} on {use.host}) ended without a word at step {use.step:,}, "
            f"begun {use.since}, in {use}, its first of that shape. {why} {use.remedy}"
        )

    def _use(self, what: str, step: int, batches: Sequence[Batch], at_once: int = 1) -> Use:
        """That of the largest of the batches."""
        largest = max(batches, key=_size)
        here = (os.getpid(), socket.gethostname(), time.strftime("%Y-%m-%d %H:%M:%S"), _boot(), _ended_by_kernel())
        return Use(what, largest.problem, step, largest.shapes, self._hparams.batch_size, *here, at_once)

    def _write(self, use: Use) -> None:
        if self._note is None:
            return
        try:
            with whole_file(self._note) as partial:
                partial.write_text(json.dumps(asdict(use)) + "\n", encoding="utf-8")
        except UserError:  # a full disk ends no run
            return

    def _remove(self) -> None:
        if self._note is not None:
            try:
                self._note.unlink(missing_ok=True)
            except OSError:  # a folder that became read-only
                return


class GuardedEvaluator:
    """Judges batches as `steps` does, which the uses of shapes are told."""

    def __init__(self, steps: EvaluatesBatches, uses: NewShapes, step: int) -> None:
        self._steps, self._uses, self._step = steps, uses, step

    def evaluate_batch(self, batch: Batch, metrics: Sequence[str]) -> dict[str, np.ndarray]:
        """As in the contract. Raises UserError when memory gives out; weights then stand as they were."""
        try:
            with self._uses.of("the evaluation of", self._step, [batch]):
                return self._steps.evaluate_batch(batch, metrics)
        except OutOfMemory as error:
            raise UserError(str(error)) from error


def is_for_want_of_memory(error: BaseException) -> bool:
    """Whether that is what is said: each backend has a word of its own."""
    said = f"{type(error).__name__} {error}".upper().replace("_", "")
    return isinstance(error, MemoryError) or "RESOURCEEXHAUSTED" in said


def _size(batch: Batch) -> int:
    return sum(array.size for arrays in batch.arrays.values() for array in arrays.values())


def _boot() -> str | None:
    try:
        return (PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None


def _ended_by_kernel() -> int | None:
    try:
        lines = (PROC / "vmstat").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), None)
