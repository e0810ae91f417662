"""One training step as it was taken: its micro-batches, its results, and the error of a non-finite step."""

from dataclasses import dataclass

from t2t_mm.data.input.batch import Batch
from t2t_mm.errors import UserError
from t2t_mm.train.logs.training_log import StepMetrics
from t2t_mm.train.step.steps import StepResult

NAMED = 5  # examples that a message names


@dataclass(frozen=True)
class StepRecord:
    """A step that was taken, or begun; where each worker takes a problem of its own, one worker's part in it."""

    step: int
    batches: tuple[Batch, ...]  # its micro-batches, all of one problem
    result: StepResult
    worker: int = 0
    all_batches: tuple[tuple[Batch, ...], ...] = ()  # by worker, where each takes a problem of its own

    @property
    def problem(self) -> str:
        return self.batches[0].problem

    @property
    def first(self) -> int:
        """The number of micro-batches of the step that come before these, which are other workers'."""
        return sum(map(len, self.all_batches[: self.worker]))

    @property
    def before(self) -> dict[str, int]:
        """The places in the data of the step's problems before it."""
        return {batch.problem: batch.position for batch in reversed(self._all)}

    @property
    def behind(self) -> dict[str, int]:
        """The places after it."""
        return {batch.problem: batch.position + 1 for batch in self._all}

    @property
    def ids(self) -> list[str]:
        """The ids of its examples."""
        return [id for batch in self.batches for id in batch.ids]

    @property
    def metrics(self) -> StepMetrics:
        """Its figures for the log."""
        targets, result = sum(batch.targets for batch in self.batches), self.result
        overflow = [share for name, share in result.reports.items() if name.endswith("/overflow")]
        return StepMetrics(self.problem, result.nats, targets, result.gradient_norm, overflow)

    @property
    def _all(self) -> list[Batch]:
        return [batch for batches in self.all_batches or [self.batches] for batch in batches]


class NotFinite(UserError):
    """A step's loss or gradient is non-finite. The step, and any after it, moved nothing; the run stands before it."""

    def __init__(self, record: StepRecord) -> None:
        self.record = record
        self.nats, self.norm = float(record.result.nats), float(record.result.gradient_norm)
        loss = f"The loss of {record.problem} is {self.nats} and its gradient's norm {self.norm}"
        more = len(record.ids) - NAMED
        examples = f"{', '.join(record.ids[:NAMED])}{f' and {more} more' if more > 0 else ''}"
        shapes = dict.fromkeys(f"{name} {shape}" for batch in record.batches for name, shape in batch.shapes.items())
        super().__init__(f"{loss} at step {record.step}, in a batch of {', '.join(shapes)}, on examples {examples}.")
