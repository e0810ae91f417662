"""The steps of a run, one after the other, and where the run stands between them."""

import math
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence

import keras

from t2t_mm.data.input.batch import Batch
from t2t_mm.data.input.batches import Batches
from t2t_mm.errors import UserError
from t2t_mm.train.logs.training_log import TrainingLog
from t2t_mm.train.memory.first_use import NewShapes
from t2t_mm.train.mixture.mixer import Mixer
from t2t_mm.train.step.step_record import NotFinite, StepRecord
from t2t_mm.train.step.steps import Steps

# Steps whose losses are not asked for yet: TensorFlow returns when a step is done, JAX while it is being computed.
UNDER_WAY = {"tensorflow": 0, "jax": 1}


class Progress:
    """Takes steps. `step` is the last one that was taken; `positions` are the problems' places in their data."""

    def __init__(
        self, steps: Steps, mixer: Mixer, batches: Mapping[str, Batches], batches_a_step: int, uses: NewShapes
    ) -> None:
        self.steps, self.mixer, self.batches, self.batches_a_step = steps, mixer, batches, batches_a_step
        self.uses = uses  # of shapes of batches
        self.step = 0
        self.positions = dict.fromkeys(batches, 0)
        self._unchecked: deque[list[StepRecord]] = deque()  # steps whose outcome is not known yet
        self._streams: dict[str, Generator[Batch]] = {}

    def take(self, rate: Callable[[int], float], log: TrainingLog) -> None:
        """Take the next step, at the learning rate that `rate` has for it.

        Raises NotFinite, CorruptRecord and OutOfMemory.
        """
        step = self.step + 1
        started = time.perf_counter()
        batches_W = [self._next(name) for name, _ in self.due]
        waited = time.perf_counter() - started
        for batches in batches_W:
            log.corrupt(step, batches[0].problem, [sentence for batch in batches for sentence in batch.corrupt])
        compiled, here = self.steps.compiling, [batch for worker in self.steps.own for batch in batches_W[worker]]
        for name in dict.fromkeys(batch.problem for batch in here):
            if not self.steps.trained(name):
                log.say(f"step {step:,}: compiling the step of {name} and of problems that read and write the same")
        with self.uses.of("a step on", step, here, self.steps.at_once) as new:
            taken_W = self.compute(step, batches_W, rate(step))
            if new:
                float(taken_W[0].stepped.gradient_norm)  # waits until it is done
        self._unchecked.append(taken_W)
        waits = self.mixer.adaptive  # for the loss, below
        self.settle(but=0 if waits else UNDER_WAY[keras.backend.backend()])
        self.step, self.positions = step, self.positions | taken_W[0].behind
        for taken in taken_W:
            self.mixer.observe(taken.problem, taken.stepped.nats)
        compiling, seconds = self.steps.compiling - compiled, time.perf_counter() - started
        log.step(step, [taken.told for taken in taken_W], seconds, waited, rate(step), compiling)

    @property
    def due(self) -> list[tuple[str, int]]:
        """What the next step takes: a problem and the place of its first batch, for each worker that has its own."""
        positions, due = dict(self.positions), []
        for worker in range(self.steps.workers):
            name = self.mixer.choose(self.step + 1, worker)
            due.append((name, positions[name]))
            positions[name] += self.batches_a_step
        return due

    def compute(self, step: int, batches_W: Sequence[tuple[Batch, ...]], rate: float) -> list[StepRecord]:
        """Take `step` on these batches, of each worker that takes a problem of its own, or of one."""
        multipliers = [self.batches[batches[0].problem].ready.problem.loss_multiplier for batches in batches_W]
        if self.steps.workers == 1:
            [(batch, *others)] = batches_W
            return [StepRecord(step, batches_W[0], self.steps.train(batch, step, rate, multipliers[0], others))]
        stepped_W = self.steps.train_apart(batches_W, step, rate, multipliers)
        each = enumerate(zip(batches_W, stepped_W, strict=True))
        return [StepRecord(step, batches, stepped, worker, tuple(batches_W)) for worker, (batches, stepped) in each]

    def settle(self, but: int = 0) -> None:
        """Wait for the steps that are under way, but for the last `but`. Raises NotFinite."""
        while len(self._unchecked) > but:
            for taken in (taken_W := self._unchecked.popleft()):
                if not (math.isfinite(taken.stepped.nats) and math.isfinite(taken.stepped.gradient_norm)):
                    self._back_to(taken_W)
                    raise NotFinite(taken)

    def pass_over(self, taken: StepRecord) -> None:
        """Count a step that moved nothing as taken."""
        self.step, self.positions = taken.step, self.positions | taken.behind
        self._reopen(list(taken.behind))

    def place(self, step: int, positions: Mapping[str, int]) -> None:
        """Go on from another place."""
        self.step, self.positions = step, dict(positions)
        self._reopen(list(self._streams))

    def close(self) -> None:
        """Stop the threads that read batches ahead."""
        self._reopen(list(self._streams))

    def _next(self, name: str) -> tuple[Batch, ...]:
        """The batches of a problem that come next."""
        if name not in self._streams:
            self._streams[name] = self.batches[name].stream(self.positions[name])
        try:
            return tuple(next(self._streams[name]) for _ in range(self.batches_a_step))
        except MemoryError as error:
            raise UserError(f"Memory gave out while batches of {name} were made. Lower batch_size.") from error

    def _back_to(self, taken_W: list[StepRecord]) -> None:
        """Stand before this step: what came after it moved nothing and will be taken again."""
        undone = [taken_W[0], *(each[0] for each in self._unchecked)]
        self._unchecked.clear()
        self.step = taken_W[0].step - 1
        for each in reversed(undone):
            self.positions = self.positions | each.before
        self._reopen([name for each in undone for name in each.before])
        self.steps.go_on()

    def _reopen(self, problems: list[str]) -> None:
        """Have the streams of `problems` begin anew at their positions, when they are next read."""
        for name in problems:
            if name in self._streams:
                self._streams.pop(name).close()
