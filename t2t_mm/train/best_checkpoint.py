"""The best checkpoint of a run, kept beside the newest ones, and early stopping.

`<output_dir>/best/` holds the checkpoint and `best.json`: its step, its score and the metric of the score.
"""

import json
import math
import operator
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from t2t_mm.atomic_file import atomic_write, sweep
from t2t_mm.errors import UnknownName, UserError
from t2t_mm.evaluation.results import Result
from t2t_mm.train import checkpoint

FOLDER = "best"


@dataclass(frozen=True)
class Aim:
    """The score of a checkpoint: a weighted mean of metrics; higher is better."""

    terms: tuple[tuple[str, str, float], ...]  # problem, metric, weight

    @staticmethod
    def parse(text: str, metrics: Mapping[str, Sequence[str]]) -> "Aim":
        """Return the score that `text` describes: "problem/metric:weight", several joined by commas or blanks.

        The weight may be left out. The problem may be left out too: then each problem that has the metric counts. Give
        a metric that should fall a weight below 0. `metrics` are those of each problem of the run. Raises UserError for
        anything else.
        """
        terms: list[tuple[str, str, float]] = []
        for entry in text.replace(",", " ").split():
            name, colon, number = entry.partition(":")
            problem, _, metric = name.rpartition("/")
            weight = _weight(entry, number) if colon else 1.0
            if problem and problem not in metrics:
                raise UnknownName("problem of this run", problem, metrics)
            having = [one for one in ([problem] if problem else metrics) if metric in metrics[one]]
            if not having:
                raise UnknownName("metric of the problem", metric, {m for one in metrics.values() for m in one})
            terms.extend((one, metric, weight / len(having)) for one in having)
        if not terms:
            raise UserError(f"--best_metric={text} names no metric; write problem/metric or problem/metric:weight.")
        return Aim(tuple(terms))

    def score(self, results: Sequence[Result]) -> float:
        """Return the weighted mean of the metrics in `results`; NaN if one is missing."""
        return self.of({result.problem: result.metrics for result in results})

    def of(self, metrics: Mapping[str, Mapping[str, float]]) -> float:
        """Return the same for metrics by problem and name."""
        values = [metrics.get(problem, {}).get(metric, math.nan) for problem, metric, _ in self.terms]
        weights = [weight for *_, weight in self.terms]
        return sum(map(operator.mul, weights, values)) / sum(map(abs, weights))


@dataclass(frozen=True)
class Record:
    """The best checkpoint so far."""

    step: int
    score: float
    metric: str  # the text that was parsed to an Aim


class BestCheckpoint:
    """Keeps the best checkpoint of the run in `output_dir`."""

    def __init__(self, output_dir: Path, metric: str, metrics: Mapping[str, Sequence[str]], delta: float) -> None:
        """A checkpoint is better when its score is greater by more than `delta`. Raises UserError as `Aim.parse`."""
        self.folder, self.metric, self.delta = output_dir / FOLDER, metric, delta
        self.aim = Aim.parse(metric, metrics)
        self.record = self._read()

    def is_better(self, score: float) -> bool:
        """Return True if a checkpoint of that score is the best so far; NaN never is."""
        least = -math.inf if self.record is None else self.record.score + self.delta
        return score > least

    def keep(self, path: Path, step: int, score: float) -> None:
        """Make the checkpoint at `path` the best one. Raises UserError if that cannot be written."""
        target = self.folder / path.name
        sweep(self.folder)
        with atomic_write(target) as partial:
            partial.unlink()
            try:
                os.link(path, partial)
            except OSError:  # a file system without links
                shutil.copyfile(path, partial)
        self.record = Record(step, score, self.metric)
        with atomic_write(self.folder / "best.json") as partial:
            partial.write_text(json.dumps(asdict(self.record)) + "\n", encoding="utf-8")
        for other in checkpoint.steps(self.folder):
            if other != step:
                checkpoint.path_of(self.folder, other).unlink(missing_ok=True)

    def steps_since(self, step: int) -> int:
        """Return the number of steps from the best checkpoint to `step`."""
        return 0 if self.record is None else step - self.record.step

    def _read(self) -> Record | None:
        try:
            content = json.loads((self.folder / "best.json").read_text(encoding="utf-8"))
            record = Record(content["step"], content["score"], content["metric"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return record if record.metric == self.metric else None


def _weight(entry: str, number: str) -> float:
    try:
        weight = float(number)
    except ValueError:
        weight = math.nan
    if not math.isfinite(weight) or not weight:
        raise UserError(
            f"--best_metric holds {entry!r}; write problem/metric:weight, the weight a number other than 0."
        )
    return weight
