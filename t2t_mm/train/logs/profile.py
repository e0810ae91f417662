"""Profile of some training steps, recorded once everything is compiled, and tables of the time per layer and operation.

The profile is written to `plugins/profile` in the run directory, where TensorBoard looks for it. The tables show the
operations of the CPU.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import keras

from t2t_mm.evaluation.table import Table
from t2t_mm.train.logs.profiler import Operation, Profiler, newest

QUIET = 10  # recording begins after so many steps in a row that compile nothing
STEPS = 10  # steps that are recorded, unless an evaluation comes before
DEPTH = 3  # names in the path of a part of the model: body/encoder/block_1
ROWS = 15  # most rows of a table
BACKWARD = ("gradient_tape", "gradients")  # scopes of the gradients: of a step, and of an inner function
INNER = "PartitionedCall"  # in the name of a function call that was replaced by the operations inside it
UPDATE, ELSEWHERE = "updating weights", "elsewhere"
Say = Callable[[str], None]
WAITS, RECORDS, IS_OVER = "waits", "records", "is over"


class Profile:
    """Recorder of one profile per process, if `wanted`."""

    def __init__(self, folder: Path, parts: Collection[str], *, wanted: bool) -> None:
        """Prepare a profile in `folder`. `parts` are the layers' paths as those of weights have them, without net/."""
        self._folder, self._parts = folder, parts
        self._state = WAITS if wanted else IS_OVER
        self._profiler = profiler() if wanted else None
        self._compiling, self._quiet = 0.0, 0
        self._steps: list[int] = []

    def step(self, number: int) -> AbstractContextManager[object]:
        """Return a context in which the run takes step `number`."""
        if self._profiler is None or self._state != RECORDS:
            return nullcontext()
        self._steps.append(number)
        return self._profiler.step(number)

    def after_step(self, compiling: float, settle: Callable[[], None], say: Say) -> None:
        """Begin or end the recording if it is time.

        Args:
            compiling: the seconds spent on compiling so far.
            settle: waits until the steps that are under way are done.
            say: prints a line.

        """
        if self._profiler is None or self._state == IS_OVER:
            return
        if self._state == RECORDS:
            if len(self._steps) == STEPS:
                settle()
                self.end(say)
            return
        self._quiet = self._quiet + 1 if compiling == self._compiling else 0
        self._compiling = compiling
        if self._quiet == QUIET:
            settle()
            self._profiler.start(self._folder)
            self._state = RECORDS

    def end(self, say: Say) -> None:
        """End the recording, if there is one: write the profile and print its tables."""
        if self._profiler is None or self._state != RECORDS:
            return
        self._state = IS_OVER
        self._profiler.stop()
        path = newest(self._folder)
        operations = self._profiler.read(path) if self._steps else []
        for table in tables(operations, self._parts, self._steps):
            say(table.markdown() + "\n")
        say(f"The profile is {path}; xprof --logdir={self._folder} (pip install xprof) shows it in full.")

    def close(self, say: Say) -> None:
        """End the recording because the run ends."""
        self.end(say)
        if self._state == WAITS:
            say(f"No profile was recorded: the run ended before {QUIET} steps in a row compiled nothing.")


def tables(operations: Sequence[Operation], parts: Collection[str], steps: Sequence[int]) -> list[Table]:
    """Return a table by part of the model, if operations carry scopes, and one by kind of operation.

    The list is empty if there are no operations.
    """
    total = sum(operation.seconds for operation in operations)
    if not total:
        return []
    span = f"steps {steps[0]:,} to {steps[-1]:,}, milliseconds a step, all threads added up"
    made = []
    if any(operation.scope for operation in operations):
        placed = [(*part_of(operation.scope, parts), operation.seconds) for operation in operations]
        forward = _sums((part, seconds) for part, backward, seconds in placed if not backward)
        backward = _sums((part, seconds) for part, backward, seconds in placed if backward)
        by_part = _sums((part, seconds) for part, _, seconds in placed)
        made.append(
            Table(
                title=f"Where the time goes, by part: {span}",
                columns=("part", "forward", "backward", "share"),
                rows=[
                    (
                        part,
                        _milliseconds(forward.get(part, 0.0), steps),
                        _milliseconds(backward.get(part, 0.0), steps),
                        f"{by_part[part] / total:.1%}",
                    )
                    for part in _greatest(by_part)
                ],
            )
        )
    by_kind = _sums((operation.kind, operation.seconds) for operation in operations)
    made.append(
        Table(
            title=f"Where the time goes, by operation: {span}",
            columns=("operation", "time", "share"),
            rows=[
                (kind, _milliseconds(by_kind[kind], steps), f"{by_kind[kind] / total:.1%}")
                for kind in _greatest(by_kind)
            ],
        )
    )
    return made


def part_of(scope: str, parts: Collection[str]) -> tuple[str, bool]:
    """Return (the part of the model that an operation's scope belongs to, True if it belongs to the backward pass).

    A name that is entered a second time in a graph ends in _1, _2 and so on. The update of the weights is a branch of
    its own (cond). The scopes of an operation of an inner function stand after the name of the function's call.
    """
    names = scope.split("/")
    names = names[max((place for place, name in enumerate(names, start=1) if INNER in name), default=0) :]
    backward = bool(names) and names[0] in BACKWARD
    names = names[backward:]
    if names[:1] == ["cond"]:
        return UPDATE, False
    part = ""
    for name in names[:DEPTH]:
        stem, _, number = name.rpartition("_")
        candidates = [name, stem] if number.isdecimal() else [name]
        longer = [longer for one in candidates if (longer := f"{part}/{one}".lstrip("/")) in parts]
        if not longer:
            break
        part = longer[0]
    return part or ELSEWHERE, backward


def _sums(spent: Iterable[tuple[str, float]]) -> dict[str, float]:
    totals: dict[str, float] = defaultdict(float)
    for name, seconds in spent:
        totals[name] += seconds
    return dict(totals)


def _greatest(totals: Mapping[str, float]) -> list[str]:
    return sorted(totals, key=lambda name: totals[name], reverse=True)[:ROWS]


def _milliseconds(seconds: float, steps: Sequence[int]) -> str:
    return f"{1000 * seconds / len(steps):.2f}"


def profiler() -> Profiler:
    """Return the profiler of Keras' backend; import only the library that it needs."""
    if keras.backend.backend() == "jax":
        from t2t_mm.train.logs.profiler_jax import JaxProfiler

        return JaxProfiler()
    from t2t_mm.train.logs.profiler_tensorflow import TensorFlowProfiler

    return TensorFlowProfiler()
