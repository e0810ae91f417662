"""The steps of a run, one after the other, and where the run stands between them."""

import math
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass

import keras

from t2t_mm.data.batch import Batch
from t2t_mm.data.batches import Batches
from t2t_mm.errors import UserError
from t2t_mm.train.first_use import FirstUses
from t2t_mm.train.log import TrainingLog
from t2t_mm.train.mixing import Mixer
from t2t_mm.train.step import Stepped, Steps

# Steps whose losses are not asked for yet: TensorFlow returns when a step is done, JAX while it is being computed.
UNDER_WAY = {"tensorflow": 0, "jax": 1}

NAMED = 5  # examples that a message names


@dataclass(frozen=True)
class Taken:
    """A step that was taken, or begun."""

    step: int
    batches: tuple[Batch, ...]
    stepped: Stepped

    @property
    def problem(self) -> str:
        return self.batches[0].problem

    @property
    def behind(self) -> int:
        """The place in the problem's data after this step."""
        return self.batches[-1].position + 1

    @property
    def ids(self) -> list[str]:
        """The examples that it read."""
        return [id for batch in self.batches for id in batch.ids]


class NotFinite(UserError):
    """A step's loss or gradient is not finite. It and what came after it moved nothing; the run stands before it."""

    def __init__(self, taken: Taken) -> None:
        self.taken = taken
        self.nats, self.norm = float(taken.stepped.nats), float(taken.stepped.gradient_norm)
        loss = f"The loss of {taken.problem} is {self.nats} and its gradient's norm {self.norm}"
        named = f"{', '.join(taken.ids[:NAMED])}{f' and {len(taken.ids) - NAMED} more' if taken.ids[NAMED:] else ''}"
        super().__init__(f"{loss} at step {taken.step}, on examples {named}.")


class Stepping:
    """Takes steps. `step` is the last one that was taken; `positions` are the problems' places in their data."""

    def __init__(
        self, steps: Steps, mixer: Mixer, batches: Mapping[str, Batches], batches_a_step: int, uses: FirstUses
    ) -> None:
        self.steps, self.mixer, self.batches, self.batches_a_step = steps, mixer, batches, batches_a_step
        self.uses = uses  # of shapes of batches
        self.step = 0
        self.positions = dict.fromkeys(batches, 0)
        self._unchecked: deque[Taken] = deque()  # whose outcome is not known yet
        self._streams: dict[str, Generator[Batch]] = {}

    def take(self, rate: Callable[[int], float], log: TrainingLog) -> None:
        """Take the next step, at the learning rate that `rate` has for it.

        Raises NotFinite, CorruptRecord and OutOfMemory.
        """
        step = self.step + 1
        name = self.mixer.choose(step)
        started = time.perf_counter()
        if name not in self._streams:
            self._streams[name] = self.batches[name].stream(self.positions[name])
        try:
            batches = tuple(next(self._streams[name]) for _ in range(self.batches_a_step))
        except MemoryError as error:
            raise UserError(f"Memory gave out while batches of {name} were made. Lower batch_size.") from error
        waited = time.perf_counter() - started
        log.corrupt(step, name, [sentence for batch in batches for sentence in batch.corrupt])
        multiplier, compiled = self.batches[name].ready.problem.loss_multiplier, self.steps.compiling
        if not self.steps.trained(name):
            log.say(f"step {step:,}: compiling the step of {name} and of problems that read and write the same")
        with self.uses.of("a step on", step, batches) as new:
            stepped = self.steps.train(batches[0], step, rate(step), multiplier, batches[1:])
            if new:
                float(stepped.gradient_norm)  # waits until it is done
        self._unchecked.append(Taken(step, batches, stepped))
        waits = self.mixer.adaptive  # for the loss, below
        self.settle(but=0 if waits else UNDER_WAY[keras.backend.backend()])
        self.step, self.positions[name] = step, batches[-1].position + 1
        self.mixer.observe(name, stepped.nats)
        targets = sum(batch.targets for batch in batches)
        compiling, seconds = self.steps.compiling - compiled, time.perf_counter() - started
        log.step(step, name, stepped.nats, targets, seconds, waited, rate(step), compiling, stepped.gradient_norm)

    def settle(self, but: int = 0) -> None:
        """Wait for the steps that are under way, but for the last `but`. Raises NotFinite."""
        while len(self._unchecked) > but:
            taken = self._unchecked.popleft()
            if not (math.isfinite(taken.stepped.nats) and math.isfinite(taken.stepped.gradient_norm)):
                self._back_to(taken)
                raise NotFinite(taken)

    def pass_over(self, taken: Taken) -> None:
        """Count a step that moved nothing as taken."""
        self.step, self.positions[taken.problem] = taken.step, taken.behind
        self._reopen([taken.problem])

    def place(self, step: int, positions: Mapping[str, int]) -> None:
        """Go on from another place."""
        self.step, self.positions = step, dict(positions)
        self._reopen(list(self._streams))

    def close(self) -> None:
        """Stop the threads that read batches ahead."""
        self._reopen(list(self._streams))

    def _back_to(self, taken: Taken) -> None:
        """Stand before `taken`: what came after it moved nothing and will be taken again."""
        undone = [taken, *self._unchecked]
        self._unchecked.clear()
        self.step = taken.step - 1
        for each in reversed(undone):
            self.positions[each.problem] = each.batches[0].position
        self._reopen([each.problem for each in undone])
        self.steps.go_on()

    def _reopen(self, problems: list[str]) -> None:
        """Have the streams of `problems` begin anew at their positions, when they are next read."""
        for name in problems:
            if name in self._streams:
                self._streams.pop(name).close()
