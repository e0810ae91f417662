"""Train, evaluate, predict: one net on several ready problems, in one run directory."""

import math
import random
import time
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import keras

from t2t_mm.data.batch import Batch
from t2t_mm.data.batches import Batches
from t2t_mm.data.ready import ReadyProblem
from t2t_mm.decoding.decoder import Decoded, DecodeOptions, Decoder, Failure
from t2t_mm.errors import UserError
from t2t_mm.hparam_set import HparamSet
from t2t_mm.models.net import Net
from t2t_mm.problem import DEV, TRAIN
from t2t_mm.train import checkpoint
from t2t_mm.train.evaluate import evaluate
from t2t_mm.train.exhibits.exhibit import exhibit
from t2t_mm.train.exhibits.fixed_example import fixed_example
from t2t_mm.train.exhibits.look import Looker
from t2t_mm.train.log import TrainingLog
from t2t_mm.train.mixing import Mixer, PlanRow, ProblemFacts, plan_rows
from t2t_mm.train.optimiser import Adam
from t2t_mm.train.report import Result, write_results
from t2t_mm.train.room import check_room
from t2t_mm.train.schedule import learning_rate
from t2t_mm.train.step import Stepped, Steps
from t2t_mm.train.stopping import Stop, stoppable

# Steps whose losses are not asked for yet: TensorFlow returns when a step is done, JAX while it is being computed.
UNDER_WAY = {"tensorflow": 0, "jax": 1}


@dataclass(frozen=True, kw_only=True)
class Habits:
    """When a run saves and evaluates. Counts are steps unless they say otherwise."""

    eval_steps: int = -1  # batches of each problem's dev set; -1: all
    eval_every: int = 2000  # 0: at the end alone
    save_every: int = 0  # 0: by the clock alone
    save_seconds: float = 600.0  # 0: by the steps alone
    keep: int = 20  # checkpoints; 0: all
    exhibit: bool = True  # at every evaluation, show an example of each problem and its experts' loads in TensorBoard


@dataclass(frozen=True)
class Outcome:
    """How training ended."""

    stop: Stop  # whether it was asked to stop early; then the run is saved as well
    results: list[Result]  # of the evaluation at the end, if there was one


class Estimator:
    """One model, its problems and their run directory.

    A run is a function of (problems, hparams, seed): weights, batches and noise all follow from it, so a run that was
    stopped and goes on from its checkpoint repeats, bit for bit, the one that was not.
    """

    def __init__(
        self,
        problems: Mapping[str, ReadyProblem],
        hparams: HparamSet,
        output_dir: Path,
        *,
        seed: int = 0,
        train_steps: int,
        habits: Habits | None = None,
    ) -> None:
        """Make the net and take up the newest checkpoint in `output_dir`, if there is one.

        Raises UserError for a split without examples, an example that takes more positions than the body has, or a
        checkpoint of another architecture.
        """
        random.seed(seed)  # Keras draws from it for initial weights; everything later is keyed by (seed, step, path)
        self.problems, self.hparams, self.output_dir, self.seed = dict(problems), hparams, output_dir, seed
        self.train_steps, self.habits = train_steps, habits or Habits()
        self.batches = {n: Batches(p, TRAIN, hparams.data, seed, training=True) for n, p in problems.items()}
        self.net = Net({name: problem.signature for name, problem in problems.items()}, hparams)
        for ready in problems.values():
            check_room(ready, self.net.longest, hparams.data)
        self.net.build()
        self.optimiser = Adam(self.net.trainable_variables, self.net.commands, hparams.training)
        specs = {n: {f: c.spec(hparams.data) for f, c in p.codecs.items()} for n, p in problems.items()}
        self.steps = Steps(self.net, self.optimiser, specs, hparams.training, seed)
        self.mixer = Mixer(self.facts(), hparams.training, seed)
        self._unchecked: deque[tuple[int, str, tuple[str, ...], Stepped]] = deque()  # steps of unknown outcome
        self.step = 0
        self.positions = dict.fromkeys(problems, 0)
        newest = checkpoint.latest(output_dir)
        if newest is not None:
            self.restore(newest)

    def facts(self) -> dict[str, ProblemFacts]:
        """What an epoch of each problem holds."""
        return {
            name: ProblemFacts(
                examples=batches.examples,
                batches=len(batches),
                tokens=batches.tokens,
                unigram_nats=batches.ready.manifest.baseline.get("nats_per_token", 1.0),
            )
            for name, batches in self.batches.items()
        }

    def plan(self) -> list[PlanRow]:
        """What each problem gets in the steps that are left."""
        return plan_rows(self.mixer, self.facts(), self.train_steps, self.step)

    def train(self, until: int | None = None) -> Outcome:
        """Train up to step `until` (train_steps by default), saving on the way and at the end.

        Raises UserError naming problem, step and examples when a loss is not finite.
        """
        return self._run(self.train_steps if until is None else until, evaluating=False)

    def train_and_evaluate(self) -> Outcome:
        """Train to the end, evaluating every problem every `eval_every` steps, and in full at the end."""
        return self._run(self.train_steps, evaluating=True)

    def evaluate(self, problems: Sequence[str] | None = None, *, permuted: bool = True) -> list[Result]:
        """Every problem (or those named) on its dev set, written to the run directory too."""
        results = []
        for name in problems or self.problems:
            dev = Batches(self.problems[name], DEV, self.hparams.data, self.seed, training=False)
            results.append(evaluate(self.steps, dev, self.habits.eval_steps, self.seed, permuted=permuted))
        write_results(self.output_dir, self.step, results)
        return results

    def predict(
        self, problem: str, values: Sequence[Any], options: DecodeOptions | None = None
    ) -> list[Decoded | Failure]:
        """What the model makes of raw input values: see Decoder.decode."""
        return self.decoder.decode(problem, values, options)

    @cached_property
    def decoder(self) -> Decoder:
        """Decodes with the weights as they stand."""
        return Decoder(
            self.net,
            {name: ready.codecs for name, ready in self.problems.items()},
            self.hparams.data,
            {name: ready.target_ratio for name, ready in self.problems.items()},
        )

    @cached_property
    def looker(self) -> Looker:
        """Looks at what the net does, with the weights as they stand."""
        return Looker(self.net, self.hparams.data)

    def save(self) -> Path:
        """Write a checkpoint of the step that was taken last. Raises UserError if a loss was not finite."""
        self._check_losses()
        state = {"step": self.step, "positions": self.positions, "mixing": self.mixer.state(), "seed": self.seed}
        tensors = self.net.tensors() | self.optimiser.tensors()
        return checkpoint.save(self.output_dir, self.step, tensors, state, self.habits.keep)

    def restore(self, path: Path) -> None:
        """Go on from a checkpoint: weights, moments, step counts, schedule and each problem's place in its data."""
        tensors, state = checkpoint.load(path)
        wanted = self.net.tensors() | self.optimiser.tensors()
        checkpoint.check_shapes(path, tensors, wanted, nothing_else=True)
        if state["seed"] != self.seed:
            raise UserError(f"{path} was trained with --random_seed={state['seed']}; received {self.seed}.")
        self.net.restore(tensors)
        self.optimiser.restore(tensors)
        self.mixer.restore(state["mixing"])
        self.step, self.positions = state["step"], dict(state["positions"])

    def _run(self, until: int, *, evaluating: bool) -> Outcome:
        rate = learning_rate(self.hparams.training, self.hparams.body.hidden_size, self.train_steps)
        streams: dict[str, Generator[Batch]] = {}
        results: list[Result] = []
        saved_at, saved_step = time.monotonic(), self.step
        log = TrainingLog(self.output_dir, list(self.problems), until, start=self.step)
        with log, stoppable() as stop:
            try:
                while self.step < until and not stop.asked:
                    self._take_step(streams, rate, log)
                    since = time.monotonic() - saved_at
                    if _due(self.step, self.habits.save_every) or 0 < self.habits.save_seconds <= since:
                        self.save()
                        saved_at, saved_step = time.monotonic(), self.step
                    if evaluating and self.step < until and _due(self.step, self.habits.eval_every):
                        self._check_losses()
                        self._tell(log, self.evaluate(permuted=False))
            finally:
                for stream in streams.values():
                    stream.close()
            if saved_step != self.step:
                self.save()
            if evaluating and not stop.asked:
                results = self.evaluate()
                self._tell(log, results)
        return Outcome(stop, results)

    def _tell(self, log: TrainingLog, results: Sequence[Result]) -> None:
        """Log an evaluation: its metrics, and what there is to see of each problem."""
        log.evaluation(self.step, {result.problem: result.metrics for result in results})
        if self.habits.exhibit:
            for name, ready in self.problems.items():
                log.exhibit(self.step, name, exhibit(self.looker, ready, fixed_example(ready)))

    def _take_step(self, streams: dict[str, Generator[Batch]], rate: Any, log: TrainingLog) -> None:
        step = self.step + 1
        name = self.mixer.choose(step)
        started = time.perf_counter()
        if name not in streams:
            streams[name] = self.batches[name].stream(self.positions[name])
        batch = next(streams[name])
        waited = time.perf_counter() - started
        stepped = self.steps.train(batch, step, rate(step), self.problems[name].problem.loss_multiplier)
        self._unchecked.append((step, name, batch.ids, stepped))
        self._check_losses(but=UNDER_WAY[keras.backend.backend()])
        self.step, self.positions[name] = step, batch.position + 1
        self.mixer.observe(name, stepped.nats)
        log.step(step, name, stepped.nats, batch.targets, time.perf_counter() - started, waited, rate(step))

    def _check_losses(self, but: int = 0) -> None:
        """Raise UserError for a loss that is not finite, in the steps not yet checked but for the last `but`."""
        while len(self._unchecked) > but:
            step, name, ids, stepped = self._unchecked.popleft()
            nats, norm = float(stepped.nats), float(stepped.gradient_norm)
            if not math.isfinite(nats) or not math.isfinite(norm):
                self._unchecked.clear()
                raise UserError(
                    f"The loss of {name} is {nats} and its gradient's norm {norm} at step {step}, on examples "
                    f"{', '.join(ids[:5])}{' ...' if len(ids) > 5 else ''}. The last checkpoint is "
                    f"{checkpoint.latest(self.output_dir) or 'none'}; a lower learning_rate or clip_grad_norm may help."
                )


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0
