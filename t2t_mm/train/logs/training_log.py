"""The log of a run: progress on the terminal, a JSON line and TensorBoard scalars every so many steps.

Tags: `training/<figure>`, `training/{loss,gradient_norm,overflow,share}/<problem>` and `metrics-<problem>/<metric>`;
losses in nats per target token, norms before clipping, overflow of what tokens asked of experts, shares of the steps.
Those of examples and experts are named in exhibit.py. `log.jsonl` in the run directory holds the same, pictures left
out. Lines of kind "start" mark where a process began: what an earlier one logged behind that step belongs to steps that
were taken again.
"""

import json
import math
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, SupportsFloat

from rich.console import Console

from t2t_mm.errors import UserError
from t2t_mm.train.logs.display import Display, ProgressState, show_metrics
from t2t_mm.train.summaries.events import EventFile, Exhibit

MEANS = ("loss", "gradient_norm", "overflow")  # figures of a problem's steps, logged as their means
SMOOTHING = 0.95  # share of the old value in the loss that the terminal shows, at each step of its problem


class StepMetrics(NamedTuple):
    """What a step says of a problem. Numbers may be tensors that are still being computed."""

    problem: str
    loss: SupportsFloat  # nats per target token
    tokens: int  # target tokens in the batches
    gradient_norm: SupportsFloat = math.nan  # global, before clipping
    overflow: Sequence[SupportsFloat] = ()  # of each layer of experts, in the last batch: choices that found no room


class TrainingLog:
    """Takes note of every step, and says so when it is due.

    What a step says is asked for its values only when a line is due, so that logging does not make every step wait.
    """

    def __init__(
        self,
        output_dir: Path,
        problems: Sequence[str],
        train_steps: int,
        *,
        start: int = 0,
        every: int = 100,
        console: Console | None = None,
    ) -> None:
        """Log a run of `problems` that goes on from step `start`, a line every `every` steps.

        Progress goes to `console`, standard error by default. Raises UserError when `output_dir` cannot be written to.
        """
        self._output_dir, self._every = output_dir, max(1, every)
        self._pending: list[StepMetrics] = []  # not read
        self._window: dict[str, dict[str, list[float]]] = {}  # of the steps since the last line: MEANS by problem
        self._learning_rate = math.nan
        self._timed, self._tokens, self._seconds, self._waited = 0, 0, 0.0, 0.0  # of the steps that rates are of
        self._first, self._failed = start + 1, False
        self._corrupt: dict[str, None] = {}  # what was said of records that can't be read
        self._progress = ProgressState(train_steps=train_steps, step=start)
        try:
            output_dir.mkdir(parents=True, exist_ok=True)
            self._lines = open(output_dir / "log.jsonl", "a+b")  # noqa: SIM115
            self._end_broken_line()
            self._events = EventFile(output_dir, start)
        except OSError as error:
            raise self._unwritable(error) from error
        self._display = Display(console or Console(file=sys.stderr), problems, self._progress)
        self._write_line({"kind": "start", "step": start, "problems": list(problems)})

    def step(
        self,
        step: int,
        told: Sequence[StepMetrics],
        seconds: float,
        waited: float,
        learning_rate: float,
        compiling: float = 0.0,
    ) -> None:
        """Take note of step `step` (from 1).

        Args:
            told: of the problem that the step took, or of each worker's where workers take a problem each.
            seconds: what the step took, from the call for its batches on.
            waited: how many of them went by waiting for the batches.
            compiling: how many of them went by in a call that was traced; rates are of steps without.

        """
        self._pending += told
        if not compiling:
            self._timed, self._tokens = self._timed + 1, self._tokens + sum(each.tokens for each in told)
            self._seconds, self._waited = self._seconds + seconds, self._waited + waited
        self._learning_rate, self._progress.step = learning_rate, step
        self._progress.compiling += compiling
        if step == self._first or step % self._every == 0:
            self._report()
        elif self._display.due:
            self._read_pending()
            self._display.redraw()

    def evaluation(self, step: int, results: Mapping[str, Mapping[str, float]], compiling: float = 0.0) -> None:
        """Log the metrics of each problem after `step`; `compiling` seconds of it went by in calls that were traced."""
        self._report()
        self._progress.compiling += compiling
        self.say("\n".join([f"evaluation at step {step:,}", *show_metrics(results)]))
        self._write_line({"kind": "evaluation", "step": step, "metrics": results})
        scalars = {f"metrics-{name}/{metric}": value for name, m in results.items() for metric, value in m.items()}
        self._write_events(step, Exhibit(scalars))

    def exhibit(self, step: int, problem: str, shown: Exhibit) -> None:
        """Log what there is to see of a problem after `step`."""
        texts = {tag: [list(row) for row in rows] for tag, rows in shown.texts.items()}
        self._write_line(
            {"kind": "exhibit", "step": step, "problem": problem, "texts": texts, "scalars": shown.scalars}
        )
        self._write_events(step, shown)

    def corrupt(self, step: int, problem: str, sentences: Iterable[str]) -> None:
        """Count records of a problem that are left out because they can't be read, and name each of them once."""
        for sentence in sentences:
            if sentence not in self._corrupt:
                self._corrupt[sentence] = None
                self.say(f"{sentence} It is left out; {len(self._corrupt):,} so far.")
                content = {"problem": problem, "record": sentence, "so_far": len(self._corrupt)}
                self._write_line({"kind": "corrupt", "step": step, **content})

    def say(self, text: str) -> None:
        """Print a remark without disturbing the progress on the terminal."""
        self._display.say(text)

    def close(self) -> None:
        """Log the steps since the last line and close the files."""
        try:
            self._report()
        finally:
            for close in (self._lines.close, self._events.close):
                self._write(close)
            self._display.close()

    def __enter__(self) -> "TrainingLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read_pending(self) -> None:
        """Ask what was told of the steps since the last reading for its values."""
        progress = self._progress
        for problem, loss, tokens, norm, overflow in self._pending:
            value, norm, shares = float(loss), float(norm), [float(share) for share in overflow]
            window = self._window.setdefault(problem, {name: [] for name in MEANS})
            window["loss"].append(value)
            window["gradient_norm"].append(norm)
            window["overflow"] += [sum(shares) / len(shares)] if shares else []
            old = progress.losses.get(problem, math.nan)
            progress.losses[problem] = old + (1 - SMOOTHING) * (value - old) if math.isfinite(old) else value
            progress.steps[problem] = progress.steps.get(problem, 0) + 1
            progress.tokens[problem] = progress.tokens.get(problem, 0) + tokens
        self._pending.clear()

    def _report(self) -> None:
        """Say and write where the run stands, unless nothing happened since the last time."""
        self._read_pending()
        if not self._window:
            return
        progress = self._progress
        if self._seconds > 0:
            progress.steps_per_second = self._timed / self._seconds
            progress.tokens_per_second = self._tokens / self._seconds
            progress.waiting = self._waited / self._seconds
        progress.learning_rate = self._learning_rate
        means = {name: _means({problem: read[name] for problem, read in self._window.items()}) for name in MEANS}
        means["gradient_norm"] = {name: norm for name, norm in means["gradient_norm"].items() if math.isfinite(norm)}
        counts = {problem: len(read["loss"]) for problem, read in self._window.items()}
        progress.overflow = _mean([share for read in self._window.values() for share in read["overflow"]])
        figures = {
            "learning_rate": progress.learning_rate,
            "steps_per_second": progress.steps_per_second,
            "tokens_per_second": progress.tokens_per_second,
            "waiting": progress.waiting,
            "compiling": progress.compiling,
        }
        figures = {name: value for name, value in figures.items() if math.isfinite(value)}
        self._write_line({"kind": "training", "step": progress.step, **figures, **means, "steps": counts})
        tagged = {f"training/{name}": value for name, value in figures.items()}
        steps = sum(counts.values())
        for kind, by_problem in (means | {"share": {name: count / steps for name, count in counts.items()}}).items():
            tagged |= {f"training/{kind}/{name}": value for name, value in by_problem.items()}
        self._write_events(progress.step, Exhibit(tagged))
        self._display.line()
        self._display.redraw()
        self._window.clear()
        self._timed, self._tokens, self._seconds, self._waited = 0, 0, 0.0, 0.0

    def _write_line(self, content: dict[str, Any]) -> None:
        def write() -> None:
            self._lines.write(json.dumps({"time": time.time(), **content}).encode() + b"\n")
            self._lines.flush()

        self._write(write)

    def _write_events(self, step: int, shown: Exhibit) -> None:
        self._write(lambda: self._events.add(step, shown))

    def _write(self, write: Callable[[], None]) -> None:
        """Write, or say once that it cannot be done: a run does not end because its disk is full."""
        try:
            write()
        except OSError as error:
            if not self._failed:
                self.say(f"{self._unwritable(error)} Training goes on; what happens meanwhile may be missing from it.")
            self._failed = True

    def _end_broken_line(self) -> None:
        """A process that was killed may have left half a line; what follows starts on a new one."""
        if self._lines.tell():
            self._lines.seek(-1, 2)
            if self._lines.read(1) != b"\n":
                self._lines.write(b"\n")

    def _unwritable(self, error: OSError) -> UserError:
        return UserError(
            f"The log of the run in {self._output_dir} could not be written: {error.strerror or error}. "
            "Free some space or choose another --output_dir."
        )


def _means(values: Mapping[str, Sequence[float]]) -> dict[str, float]:
    return {name: _mean(each) for name, each in values.items() if each}


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan


class NoLog(TrainingLog):
    """Of a worker that is not the chief: takes note of nothing."""

    def __init__(self) -> None:
        pass

    def step(self, *args: Any, **kwargs: Any) -> None:
        pass

    def say(self, text: str) -> None:
        pass

    def close(self) -> None:
        pass
