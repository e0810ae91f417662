"""Log of a run: progress on the terminal, and JSON lines and TensorBoard scalars at regular steps.

TensorBoard tags: `training/<figure>`, `training/{loss,gradient_norm,overflow,share}/<problem>` and
`metrics-<problem>/<metric>`. Losses are in nats per target token; gradient norms are those before clipping; overflow is
the share of the tokens' choices of experts that exceeded an expert's capacity; share is a problem's share of the steps.
Throughput is logged as `training/steps_per_second` and `training/tokens_per_second` (target tokens per second).
The tags of examples and experts are listed in train/summaries/problem_summary.py.

`log.jsonl` in the run directory holds the same without images. A line of kind "start" marks where a process began. If
an earlier process logged steps after that one, those steps were taken again.
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
from t2t_mm.train.logs.display import Display, ProgressState, metrics_lines
from t2t_mm.train.summaries.events import EventFile, Summaries

MEANS = ("loss", "gradient_norm", "overflow")  # figures that are logged as means over a problem's steps
SMOOTHING = 0.95  # weight of the old value in the smoothed loss on the terminal, at each step of its problem


class StepMetrics(NamedTuple):
    """Metrics of one problem in one training step. Numbers may be tensors that are still being computed."""

    problem: str
    loss: SupportsFloat  # nats per target token
    tokens: int  # target tokens in the batches
    gradient_norm: SupportsFloat = math.nan  # global norm before gradient clipping
    overflow: Sequence[SupportsFloat] = ()  # by expert layer: share of the last batch's choices beyond the capacity


class TrainingLog:
    """Log of every step, written and printed when a line is due.

    The values of metrics are read only when a line is due, so that logging does not make every step wait.
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
        """Log a run of `problems` that continues from step `start`, with a line every `every` steps.

        Progress is printed to `console`, by default standard error. Raises UserError if `output_dir` is not writable.
        """
        self._output_dir, self._every = output_dir, max(1, every)
        self._pending: list[StepMetrics] = []  # metrics whose values are not read yet
        self._window: dict[str, dict[str, list[float]]] = {}  # since the last line: values of MEANS, by problem
        self._learning_rate = math.nan
        # sums over the steps that throughput is computed from
        self._timed, self._tokens, self._seconds, self._waited = 0, 0, 0.0, 0.0
        self._first, self._failed = start + 1, False
        self._corrupt: dict[str, None] = {}  # sentences about corrupt records that were printed
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
        metrics: Sequence[StepMetrics],
        seconds: float,
        waited: float,
        learning_rate: float,
        compiling: float = 0.0,
    ) -> None:
        """Log step `step` (from 1).

        Args:
            step: the number of the step.
            metrics: those of the step's problem; if workers take a problem each, those of each worker's problem.
            seconds: the duration of the step, from the request for its batches on.
            waited: how many of these seconds were spent waiting for the batches.
            learning_rate: the learning rate of the step.
            compiling: how many of these seconds a call took in which a graph was traced. Throughput is computed from
                steps without such a call.

        """
        self._pending += metrics
        if not compiling:
            self._timed, self._tokens = self._timed + 1, self._tokens + sum(each.tokens for each in metrics)
            self._seconds, self._waited = self._seconds + seconds, self._waited + waited
        self._learning_rate, self._progress.step = learning_rate, step
        self._progress.compiling += compiling
        if step == self._first or step % self._every == 0:
            self._report()
        elif self._display.due:
            self._read_pending()
            self._display.redraw()

    def evaluation(self, step: int, results: Mapping[str, Mapping[str, float]], compiling: float = 0.0) -> None:
        """Log the metrics of each problem after `step`; `compiling` are the seconds of calls that traced a graph."""
        self._report()
        self._progress.compiling += compiling
        self.say("\n".join([f"evaluation at step {step:,}", *metrics_lines(results)]))
        self._write_line({"kind": "evaluation", "step": step, "metrics": results})
        scalars = {f"metrics-{name}/{metric}": value for name, m in results.items() for metric, value in m.items()}
        self._write_events(step, Summaries(scalars))

    def summaries(self, step: int, problem: str, shown: Summaries) -> None:
        """Log the texts, scalars and images of a problem after `step`."""
        texts = {tag: [list(row) for row in rows] for tag, rows in shown.texts.items()}
        self._write_line(
            {"kind": "exhibit", "step": step, "problem": problem, "texts": texts, "scalars": shown.scalars}
        )
        self._write_events(step, shown)

    def corrupt(self, step: int, problem: str, sentences: Iterable[str]) -> None:
        """Count records of a problem that are left out because they are corrupt, and name each of them once."""
        for sentence in sentences:
            if sentence not in self._corrupt:
                self._corrupt[sentence] = None
                self.say(f"{sentence} It is left out; {len(self._corrupt):,} so far.")
                content = {"problem": problem, "record": sentence, "so_far": len(self._corrupt)}
                self._write_line({"kind": "corrupt", "step": step, **content})

    def say(self, text: str) -> None:
        """Print `text` without disturbing the progress on the terminal."""
        self._display.print_text(text)

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
        """Read the values of the metrics since the last reading."""
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
        """Print and write the progress, unless nothing happened since the last time."""
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
        self._write_events(progress.step, Summaries(tagged))
        self._display.print_line()
        self._display.redraw()
        self._window.clear()
        self._timed, self._tokens, self._seconds, self._waited = 0, 0, 0.0, 0.0

    def _write_line(self, content: dict[str, Any]) -> None:
        def write() -> None:
            self._lines.write(json.dumps({"time": time.time(), **content}).encode() + b"\n")
            self._lines.flush()

        self._write(write)

    def _write_events(self, step: int, shown: Summaries) -> None:
        self._write(lambda: self._events.add(step, shown))

    def _write(self, write: Callable[[], None]) -> None:
        """Write, or print once that it failed: a full disk does not end a run."""
        try:
            write()
        except OSError as error:
            if not self._failed:
                self.say(f"{self._unwritable(error)} Training continues; the log may lack what happens until then.")
            self._failed = True

    def _end_broken_line(self) -> None:
        """End the last line if a process that was killed left half of it, so that the next one starts on a new line."""
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
    """Log of a worker that is not the chief: nothing is written."""

    def __init__(self) -> None:
        pass

    def step(self, *args: Any, **kwargs: Any) -> None:
        pass

    def say(self, text: str) -> None:
        pass

    def close(self) -> None:
        pass
