"""The place of a run: its last step, each problem's place in its data, and the batches and results in flight."""

import math
from collections import deque
from collections.abc import Generator, Mapping, Sequence

import keras

from t2t_mm.data.input.batch import Batch
from t2t_mm.data.input.batches import Batches
from t2t_mm.errors import UserError
from t2t_mm.train.mixture.mixer import Mixer
from t2t_mm.train.step.step_record import NotFinite, StepRecord
from t2t_mm.train.step.steps import StepResult, Steps

# Steps whose losses are not read yet: TensorFlow returns when a step is done, JAX while it is being computed.
IN_FLIGHT = {"tensorflow": 0, "jax": 1}


class Progress:
    """The place of a run in its steps and its data. `step` is the last step that was taken."""

    def __init__(self, steps: Steps, mixer: Mixer, batches: Mapping[str, Batches], batches_a_step: int) -> None:
        self.steps, self.mixer, self.batches, self.batches_a_step = steps, mixer, batches, batches_a_step
        self.step = 0
        self.positions = dict.fromkeys(batches, 0)
        self._in_flight: deque[list[StepRecord]] = deque()  # steps whose outcome is not known yet
        self._streams: dict[str, Generator[Batch]] = {}

    @property
    def due(self) -> list[tuple[str, int]]:
        """The problem of the next step and the place of its first batch; one pair for each worker with its own."""
        positions, due = dict(self.positions), []
        for worker in range(self.steps.workers):
            name = self.mixer.choose(self.step + 1, worker)
            due.append((name, positions[name]))
            positions[name] += self.batches_a_step
        return due

    def next_batches(self) -> list[tuple[Batch, ...]]:
        """Return the micro-batches of the next step; one tuple for each worker with a problem of its own."""
        return [self._next(name) for name, _ in self.due]

    def records(self, batches_W: Sequence[tuple[Batch, ...]], results_W: Sequence[StepResult]) -> list[StepRecord]:
        """Return the record of the next step, taken on these micro-batches; one for each worker with its own."""
        everyone = tuple(batches_W) if self.steps.workers > 1 else ()
        each = enumerate(zip(batches_W, results_W, strict=True))
        return [StepRecord(self.step + 1, batches, result, w, everyone) for w, (batches, result) in each]

    def advance(self, records_W: list[StepRecord]) -> None:
        """Count the step as taken. Waits for those results that are needed now. Raises NotFinite."""
        self._in_flight.append(records_W)
        needs_loss = self.mixer.adaptive
        self.settle(but=0 if needs_loss else IN_FLIGHT[keras.backend.backend()])
        self.step, self.positions = records_W[0].step, self.positions | records_W[0].behind
        for record in records_W:
            self.mixer.observe(record.problem, record.result.nats)

    def settle(self, but: int = 0) -> None:
        """Wait for the steps that are in flight, except the last `but`. Raises NotFinite."""
        while len(self._in_flight) > but:
            for record in (records_W := self._in_flight.popleft()):
                if not (math.isfinite(record.result.nats) and math.isfinite(record.result.gradient_norm)):
                    self._back_to(records_W)
                    raise NotFinite(record)

    def skip(self, record: StepRecord) -> None:
        """Count a step that moved nothing as taken."""
        self.step, self.positions = record.step, self.positions | record.behind
        self._reopen(list(record.behind))

    def place(self, step: int, positions: Mapping[str, int]) -> None:
        """Continue from another place."""
        self.step, self.positions = step, dict(positions)
        self._reopen(list(self._streams))

    def close(self) -> None:
        """Stop the threads that prefetch batches."""
        self._reopen(list(self._streams))

    def _next(self, name: str) -> tuple[Batch, ...]:
        """Return the micro-batches of a problem that come next."""
        if name not in self._streams:
            self._streams[name] = self.batches[name].stream(self.positions[name])
        try:
            return tuple(next(self._streams[name]) for _ in range(self.batches_a_step))
        except MemoryError as error:
            raise UserError(f"Out of memory while batches of {name} were made. Lower batch_size.") from error

    def _back_to(self, records_W: list[StepRecord]) -> None:
        """Return to the place before this step: the steps after it moved nothing and will be taken again."""
        undone = [records_W[0], *(each[0] for each in self._in_flight)]
        self._in_flight.clear()
        self.step = records_W[0].step - 1
        for record in reversed(undone):
            self.positions = self.positions | record.before
        self._reopen([name for record in undone for name in record.before])
        self.steps.go_on()

    def _reopen(self, problems: list[str]) -> None:
        """Let the streams of `problems` start anew at their positions when they are next read."""
        for name in problems:
            if name in self._streams:
                self._streams.pop(name).close()
