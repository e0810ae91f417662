"""One training step as it was taken: its batches, what it computed, and the error of a step that is not finite."""

from dataclasses import dataclass

from t2t_mm.data.input.batch import Batch
from t2t_mm.errors import UserError
from t2t_mm.train.logs.training_log import StepMetrics
from t2t_mm.train.step.steps import StepResult

NAMED = 5  # examples that a message names


@dataclass(frozen=True)
class StepRecord:
    """A step that was taken, or begun; where workers take a problem each, one worker's part in it."""

    step: int
    batches: tuple[Batch, ...]
    stepped: StepResult
    worker: int = 0
    all_batches: tuple[tuple[Batch, ...], ...] = ()  # by worker, where they take a problem each

    @property
    def problem(self) -> str:
        return self.batches[0].problem

    @property
    def first(self) -> int:
        """How many batches of the step come before, which are other workers'."""
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
        """The examples that it read."""
        return [id for batch in self.batches for id in batch.ids]

    @property
    def told(self) -> StepMetrics:
        """What the log takes note of."""
        targets, said = sum(batch.targets for batch in self.batches), self.stepped
        overflow = [share for name, share in said.reports.items() if name.endswith("/overflow")]
        return StepMetrics(self.problem, said.nats, targets, said.gradient_norm, overflow)

    @property
    def _all(self) -> list[Batch]:
        return [batch for batches in self.all_batches or [self.batches] for batch in batches]


class NotFinite(UserError):
    """A step's loss or gradient is not finite. It and what came after it moved nothing; the run stands before it."""

    def __init__(self, taken: StepRecord) -> None:
        self.taken = taken
        self.nats, self.norm = float(taken.stepped.nats), float(taken.stepped.gradient_norm)
        loss = f"The loss of {taken.problem} is {self.nats} and its gradient's norm {self.norm}"
        named = f"{', '.join(taken.ids[:NAMED])}{f' and {len(taken.ids) - NAMED} more' if taken.ids[NAMED:] else ''}"
        shapes = dict.fromkeys(f"{name} {shape}" for batch in taken.batches for name, shape in batch.shapes.items())
        super().__init__(f"{loss} at step {taken.step}, in a batch of {', '.join(shapes)}, on examples {named}.")
