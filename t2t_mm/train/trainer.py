"""Train, evaluate, predict: one net on several ready problems, in one run directory."""

import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from t2t_mm.data.input.batches import Batches
from t2t_mm.data.input.generated_problem import GeneratedProblem
from t2t_mm.data.input.row_shard import WHOLE_BATCH
from t2t_mm.decoding.decoder import Decoded, DecodeOptions, Decoder, Failure
from t2t_mm.errors import UserError
from t2t_mm.evaluation.results import LOSS, Result, write_results
from t2t_mm.evaluation.teacher_forced import evaluate
from t2t_mm.hparam_set import HparamSet
from t2t_mm.models.net import Net
from t2t_mm.problem import DEV, TRAIN
from t2t_mm.train import checkpoint
from t2t_mm.train.best_checkpoint import Best
from t2t_mm.train.distributed.cluster import ALONE, Cluster
from t2t_mm.train.loop import Loop, Outcome
from t2t_mm.train.memory.first_use import GuardedEvaluator, NewShapes
from t2t_mm.train.memory.max_positions import check_positions
from t2t_mm.train.mixture.mixer import DISTRIBUTED, Mixer, ProblemFacts
from t2t_mm.train.mixture.plan import PlanRow, plan_rows
from t2t_mm.train.optim.optimizer import Optimizer
from t2t_mm.train.progress import Progress
from t2t_mm.train.signals import Stop, StoppableEvaluator
from t2t_mm.train.step.steps import Steps
from t2t_mm.train.summaries.activations import ActivationReader


@dataclass(frozen=True, kw_only=True)
class Habits:
    """When a run saves, evaluates and ends. Counts are steps unless they say otherwise."""

    eval_steps: int = -1  # batches of each problem's dev set; -1: all
    eval_every: int = 2000  # 0: by the clock alone
    eval_seconds: float = 0.0  # of training between evaluations; 0: by the steps alone
    save_every: int = 0  # 0: by the clock alone
    save_seconds: float = 600.0  # 0: by the steps alone
    keep: int = 20  # checkpoints; 0: all
    exhibit: bool = True  # at every evaluation, show an example of each problem and its experts' loads in TensorBoard
    best_metric: str = ""  # by which evaluations choose the checkpoint that is kept as the best: see Aim.parse
    best_delta: float = 0.0  # by which a better score must be greater
    patience: int = 0  # steps without a better score, after which training ends; 0: it does not
    profile: bool = False  # record where the time of some steps goes


class Trainer:
    """One model, its problems and their run directory.

    A run is a function of (problems, hparams, seed): weights, batches and noise all follow from it, so a run that was
    stopped and goes on from its checkpoint repeats, bit for bit, the one that was not.
    """

    def __init__(
        self,
        problems: Mapping[str, GeneratedProblem],
        hparams: HparamSet,
        output_dir: Path,
        *,
        seed: int = 0,
        train_steps: int,
        habits: Habits | None = None,
        cluster: Cluster = ALONE,
        workers: int | None = None,
        left_out: Sequence[str] = (),
        report: Callable[[str], None] = lambda line: print(line, file=sys.stderr),
    ) -> None:
        """Make the net and take up the newest checkpoint in `output_dir` that is whole, if there is one.

        `left_out` as in `Net`. With problem_choice=distributed each of `workers` takes a problem; they are those of
        `cluster`, or all this process, where it is to do what several did.

        Raises UserError for a split without examples, an example that takes more positions than the body has, or a
        checkpoint of another architecture. `report` is told of checkpoints that are broken and set aside.
        """
        random.seed(seed)  # Keras draws from it for initial weights; everything later is keyed by (seed, step, path)
        self.problems, self.hparams, self.output_dir, self.seed = dict(problems), hparams, output_dir, seed
        self.train_steps, self.habits, self.cluster = train_steps, habits or Habits(), cluster
        apart = hparams.training.problem_choice == DISTRIBUTED
        takers = (workers or cluster.count) if apart else 1
        part = WHOLE_BATCH if apart else cluster.part
        self.batches = {
            n: Batches(p, TRAIN, hparams.data, seed, training=True, row_shard=part) for n, p in problems.items()
        }
        self.net = Net({name: problem.signature for name, problem in problems.items()}, hparams, left_out)
        for ready in problems.values():
            check_positions(ready, self.net.longest, hparams.data)
        self.net.build()
        training = hparams.training
        self.optimizer = Optimizer(self.net.trainable_variables, self.net.commands, training)
        specs = {n: {f: c.spec(hparams.data) for f, c in p.codecs.items()} for n, p in problems.items()}
        self.steps = Steps(self.net, self.optimizer, specs, training, seed, cluster, takers)
        self.mixer = Mixer(self.facts(), training, seed, takers)
        unnoted = NewShapes(None, hparams.data)  # until a run holds the lock of its directory
        self.stepping = Progress(self.steps, self.mixer, self.batches, training.accumulate_batches, unnoted)
        self.best = self._best()
        self.saved: int | None = None  # the step of the checkpoint that was written or read last
        self.saved_at = time.monotonic()  # when it was last tried
        self._averaged = False
        with cluster.chief_first():  # sets aside what is broken
            newest = checkpoint.load_newest(output_dir, report)
        if newest is not None:
            self._take_up(*newest)

    @property
    def step(self) -> int:
        """The last step that was taken."""
        return self.stepping.step

    @property
    def positions(self) -> dict[str, int]:
        """Each problem's place in its data."""
        return self.stepping.positions

    @property
    def began(self) -> bool:
        """Whether there is a checkpoint that training goes on from."""
        return self.saved is not None

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
        batches_a_step = self.hparams.training.accumulate_batches
        return plan_rows(self.mixer, self.facts(), self.train_steps, self.step, batches_a_step)

    def train(self, until: int | None = None) -> Outcome:
        """Train up to step `until` (train_steps by default), saving on the way and at the end.

        Raises UserError when another process trains in the run directory, and for a loss or gradient that is not
        finite as the hparam not_finite has it.
        """
        return Loop(self, self.train_steps if until is None else until, evaluating=False).run()

    def train_and_evaluate(self) -> Outcome:
        """Train to the end, evaluating every problem as its habits say, and in full at the end."""
        return Loop(self, self.train_steps, evaluating=True).run()

    def evaluate(
        self, problems: Sequence[str] | None = None, *, permuted: bool = True, stop: Stop | None = None
    ) -> list[Result]:
        """Every problem (or those named) on its dev set, written to the run directory too. Raises Stopped by `stop`."""
        results = self.results(problems or list(self.problems), permuted, stop)
        write_results(self.output_dir, self.step, results)
        return results

    def predict(
        self, problem: str, values: Sequence[Any], options: DecodeOptions | None = None
    ) -> list[Decoded | Failure]:
        """What the model makes of raw input values: see Decoder.decode."""
        with self.averaged():
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
    def looker(self) -> ActivationReader:
        """Looks at what the net does, with the weights as they stand."""
        return ActivationReader(self.net, self.hparams.data)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Within, the net has its averaged weights, if the hparam ema_decay keeps averages."""
        outermost, self._averaged = not self._averaged, True
        if outermost:
            self.optimizer.swap_averages()
        try:
            yield
        finally:
            if outermost:
                self.optimizer.swap_averages()
                self._averaged = False

    def save(self) -> Path:
        """Write a checkpoint of the step that was taken last. Raises UserError if a loss was not finite.

        Of several workers the chief alone writes it.
        """
        self.stepping.settle()
        self.saved_at = time.monotonic()
        if not self.cluster.chief:
            self.saved = self.step
            return checkpoint.path_of(self.output_dir, self.step)
        state = {
            "step": self.step,
            "positions": self.positions,
            "mixing": self.mixer.state(),
            "seed": self.seed,
            "optimizer": self.hparams.training.optimizer,
        }
        tensors = self.net.tensors() | self.optimizer.tensors()
        path = checkpoint.save(self.output_dir, self.step, tensors, state, self.habits.keep)
        self.saved = self.step
        return path

    def restore(self, path: Path) -> None:
        """Go on from a checkpoint: weights, slots, step counts, schedule and each problem's place in its data."""
        self._take_up(path, *checkpoint.load(path))

    def _take_up(self, path: Path, tensors: Mapping[str, Any], state: Mapping[str, Any]) -> None:
        checkpoint.check_goes_on(path, state)
        weights = {name: tensors[name] for name in checkpoint.weights_of(tensors)}
        checkpoint.check_shapes(path, weights, self.net.tensors(), nothing_else=True)
        before, now = state.get("optimizer", "adam"), self.hparams.training.optimizer
        if before != now:
            raise UserError(
                f"{path} was trained with optimizer={before}; received {now}. Go on with {before}, or begin "
                f"another run from its weights: --warm_start_from={path} and another --output_dir."
            )
        if state["seed"] != self.seed:
            raise UserError(f"{path} was trained with --random_seed={state['seed']}; received {self.seed}.")
        self.net.restore(self.optimizer.settled(tensors))
        self.optimizer.restore(tensors)
        self.mixer.restore(state["mixing"])
        self.stepping.place(state["step"], state["positions"])
        self.saved = self.step

    def results(self, problems: Sequence[str], permuted: bool, stop: Stop | None = None) -> list[Result]:
        """What `evaluate` gives, not written."""
        results = []
        with self.averaged():
            for name in problems:
                dev = Batches(self.problems[name], DEV, self.hparams.data, self.seed, training=False)
                steps = StoppableEvaluator(GuardedEvaluator(self.steps, self.stepping.uses, self.step), stop or Stop())
                results.append(evaluate(steps, dev, self.habits.eval_steps, self.seed, permuted=permuted))
        return results

    def _best(self) -> Best | None:
        if not self.habits.best_metric:
            return None
        metrics = {name: [LOSS, *ready.problem.metrics] for name, ready in self.problems.items()}
        return Best(self.output_dir, self.habits.best_metric, metrics, self.habits.best_delta)
