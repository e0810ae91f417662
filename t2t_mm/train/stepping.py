"""The steps of a run, one after the other, and where the run stands between them."""

import math
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass

import keras

from t2t_mm.data.batch import Batch
from t2t_mm.data.batches import Batches
from t2t_mm.errors import UserError
from t2t_mm.train.first_use import FirstUses
from t2t_mm.train.log import Told, TrainingLog
from t2t_mm.train.mixing import Mixer
from t2t_mm.train.step import Stepped, Steps

# Steps whose losses are not asked for yet: TensorFlow returns when a step is done, JAX while it is being computed.
UNDER_WAY = {"tensorflow": 0, "jax": 1}

NAMED = 5  # examples that a message names


@dataclass(frozen=True)
class Taken:
    """A step that was taken, or begun; where workers take a problem each, one worker's part in it."""

    step: int
    batches: tuple[Batch, ...]
    stepped: Stepped
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
    def told(self) -> Told:
        """What the log takes note of."""
        targets, said = sum(batch.targets for batch in self.batches), self.stepped
        overflow = [share for name, share in said.reports.items() if name.endswith("/overflow")]
        return Told(self.problem, said.nats, targets, said.gradient_norm, overflow)

    @property
    def _all(self) -> list[Batch]:
        return [batch for batches in self.all_batches or [self.batches] for batch in batches]


class NotFinite(UserError):
    """A step's loss or gradient is not finite. It and what came after it moved nothing; the run stands before it."""

    def __init__(self, taken: Taken) -> None:
        self.taken = taken
        self.nats, self.norm = float(taken.stepped.nats), float(taken.stepped.gradient_norm)
        loss = f"The loss of {taken.problem} is {self.nats} and its gradient's norm {self.norm}"
        named = f"{', '.join(taken.ids[:NAMED])}{f' and {len(taken.ids) - NAMED} more' if taken.ids[NAMED:] else ''}"
        shapes = dict.fromkeys(f"{name} {shape}" for batch in taken.batches for name, shape in batch.shapes.items())
        super().__init__(f"{loss} at step {taken.step}, in a batch of {', '.join(shapes)}, on examples {named}.")


class Stepping:
    """Takes steps. `step` is the last one that was taken; `positions` are the problems' places in their data."""

    def __init__(
        self, steps: Steps, mixer: Mixer, batches: Mapping[str, Batches], batches_a_step: int, uses: FirstUses
    ) -> None:
        self.steps, self.mixer, self.batches, self.batches_a_step = steps, mixer, batches, batches_a_step
        self.uses = uses  # of shapes of batches
        self.step = 0
        self.positions = dict.fromkeys(batches, 0)
        self._unchecked: deque[list[Taken]] = deque()  # steps whose outcome is not known yet
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

    def compute(self, step: int, batches_W: Sequence[tuple[Batch, ...]], rate: float) -> list[Taken]:
        """Take `step` on these batches, of each worker that takes a problem of its own, or of one."""
        multipliers = [self.batches[batches[0].problem].ready.problem.loss_multiplier for batches in batches_W]
        if self.steps.workers == 1:
            [(batch, *others)] = batches_W
            return [Taken(step, batches_W[0], self.steps.train(batch, step, rate, multipliers[0], others))]
        stepped_W = self.steps.train_apart(batches_W, step, rate, multipliers)
        each = enumerate(zip(batches_W, stepped_W, strict=True))
        return [Taken(step, batches, stepped, worker, tuple(batches_W)) for worker, (batches, stepped) in each]

    def settle(self, but: int = 0) -> None:
        """Wait for the steps that are under way, but for the last `but`. Raises NotFinite."""
        while len(self._unchecked) > but:
            for taken in (taken_W := self._unchecked.popleft()):
                if not (math.isfinite(taken.stepped.nats) and math.isfinite(taken.stepped.gradient_norm)):
                    self._back_to(taken_W)
                    raise NotFinite(taken)

    def pass_over(self, taken: Taken) -> None:
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

    def _back_to(self, taken_W: list[Taken]) -> None:
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
