"""Progress of a run on the terminal: a table that is redrawn in place, or plain lines if there is no terminal."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

REDRAW_SECONDS = 0.5


@dataclass
class ProgressState:
    """Current state of a run. Throughput (steps and tokens per second) is that of the steps since the last line."""

    train_steps: int
    step: int = 0
    losses: dict[str, float] = field(default_factory=dict)  # by problem: smoothed, nats per target token
    steps: dict[str, int] = field(default_factory=dict)  # by problem: steps since the start of this process
    tokens: dict[str, int] = field(default_factory=dict)  # by problem: target tokens since the start of this process
    steps_per_second: float = math.nan
    tokens_per_second: float = math.nan
    waiting: float = math.nan  # share of the time spent waiting for data
    overflow: float = math.nan  # share of the tokens' choices of experts that exceeded an expert's capacity
    compiling: float = 0.0  # seconds of calls in which a graph was traced, since the start of this process
    learning_rate: float = math.nan

    @property
    def headline(self) -> str:
        """The progress as one line: step, throughput, share of time spent waiting for data, time left."""
        parts = [f"step {self.step:,}/{self.train_steps:,}"]
        if self.steps_per_second > 0:
            left = max(0, self.train_steps - self.step) / self.steps_per_second
            parts += [
                f"{self.steps_per_second:.2f} steps/s",
                f"{self.tokens_per_second:,.0f} tokens/s",
                f"waiting {self.waiting:.0%}",
                f"lr {self.learning_rate:.2e}",
                f"{_duration(left)} left",
            ]
        if self.overflow >= 0.0005:
            parts.append(f"experts overflow {self.overflow:.1%}")
        if self.compiling > 0:
            parts.append(f"compiled in {self.compiling:.0f} s")
        return "  ".join(parts)


class Display:
    """Display of a `ProgressState`.

    While it is open, print everything else with `print_text`, so that lines and table do not mix.
    """

    def __init__(self, console: Console, problems: Sequence[str], progress: ProgressState) -> None:
        self._console, self._problems, self._progress = console, list(problems), progress
        self._drawn = -math.inf
        self._live: Live | None = None
        if console.is_terminal:
            self._live = Live(self._table(), console=console, auto_refresh=False)
            self._live.start(refresh=True)

    @property
    def due(self) -> bool:
        """True if the table is old enough to be drawn again."""
        return self._live is not None and time.monotonic() - self._drawn >= REDRAW_SECONDS

    def redraw(self) -> None:
        """Draw the table with the current state; do nothing without a terminal."""
        if self._live is not None:
            self._live.update(self._table(), refresh=True)
            self._drawn = time.monotonic()

    def print_line(self) -> None:
        """Print the progress as one line; do nothing on a terminal, where the table shows it."""
        if self._live is None:
            losses = self._progress.losses
            shown = "  ".join(f"{name} {losses[name]:.3f}" for name in self._problems if name in losses)
            self.print_text(f"{self._progress.headline}  {shown}")

    def print_text(self, text: str) -> None:
        """Print `text` unchanged, above the table if there is one."""
        if self._live is None:
            self._console.file.write(text + "\n")
            self._console.file.flush()
        else:
            self._console.print(text, markup=False, highlight=False)

    def close(self) -> None:
        """Draw the table a last time and leave the terminal as it was."""
        if self._live is not None:
            self.redraw()
            self._live.stop()
            self._live = None

    def _table(self) -> Group:
        progress = self._progress
        table = Table(box=None, pad_edge=False)
        for index, column in enumerate(("problem", "loss", "steps", "target tokens")):
            table.add_column(column, justify="right" if index else "left")
        for name in self._problems:
            loss = progress.losses.get(name)
            figures = (progress.steps.get(name, 0), progress.tokens.get(name, 0))
            table.add_row(name, "-" if loss is None else f"{loss:.3f}", *(f"{figure:,}" for figure in figures))
        state = Table.grid()
        state.add_row(ProgressBar(total=max(1, progress.train_steps), completed=progress.step))
        state.add_row(Text(progress.headline))
        return Group(table, state)


def metrics_lines(results: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return one line per problem with its metrics by name."""
    return [
        f"  {problem}: " + "  ".join(f"{name} {value:.4f}" for name, value in metrics.items())
        for problem, metrics in results.items()
    ]


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
