"""The state of a training run: net, optimizer, mixer, the place in the data; saved, restored and evaluated."""

import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
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
from t2t_mm.run_config import TRAIN_STEPS, RunConfig
from t2t_mm.train import checkpoint
from t2t_mm.train.best_checkpoint import BestCheckpoint
from t2t_mm.train.distributed.cluster import ALONE, Cluster
from t2t_mm.train.memory.first_use import GuardedEvaluator, NewShapes
from t2t_mm.train.memory.max_positions import check_positions
from t2t_mm.train.mixture.mixer import DISTRIBUTED, Mixer, ProblemFacts
from t2t_mm.train.mixture.plan import PlanRow, plan_rows
from t2t_mm.train.optim.optimizer import Optimizer
from t2t_mm.train.progress import Progress
from t2t_mm.train.signals import Stop, StoppableEvaluator
from t2t_mm.train.step.steps import Steps
from t2t_mm.train.summaries.activations import ActivationReader

Report = Callable[[str], None]


class TrainState:
    """One net, its optimizer, its problems and the place of the run that trains it, with checkpoints of all of them.

    A run is a function of (problems, hparams, seed): weights, batches and noise all follow from it, so a run that was
    stopped and continues from its checkpoint repeats, bit for bit, the one that was not stopped.
    """

    def __init__(
        self,
        problems: Mapping[str, GeneratedProblem],
        hparams: HparamSet,
        config: RunConfig,
        *,
        cluster: Cluster = ALONE,
        workers: int | None = None,
        locked: bool = False,
        report: Report = lambda line: print(line, file=sys.stderr),
    ) -> None:
        """Build the net and restore the newest checkpoint in `config.output_dir` that is whole, if there is one.

        With problem_choice=distributed each of `workers` takes a problem; they are those of `cluster`, or all of them
        in this process, which then repeats what several did. `locked` says that the caller holds the lock of the run
        directory.

        Raises UserError for a split without examples, an example that takes more positions than the body has, or a
        checkpoint of another architecture. `report` gets a sentence for each broken checkpoint that is set aside.
        """
        if config.output_dir is None:
            raise UserError("RunConfig.output_dir is missing: which folder should the run use?")
        seed = config.random_seed or 0
        random.seed(seed)  # Keras draws initial weights from it; everything later is keyed by (seed, step, path)
        self.problems, self.hparams, self.config, self.cluster = dict(problems), hparams, config, cluster
        self.output_dir, self.seed, self.locked = config.output_dir, seed, locked
        self.train_steps = config.train_steps if config.train_steps is not None else TRAIN_STEPS
        training = hparams.training
        distributed = training.problem_choice == DISTRIBUTED
        takers = (workers or cluster.count) if distributed else 1
        part = WHOLE_BATCH if distributed else cluster.part
        self.batches = {
            n: Batches(p, TRAIN, hparams.data, seed, training=True, row_shard=part) for n, p in problems.items()
        }
        signatures = {name: problem.signature for name, problem in problems.items()}
        self.net = Net(signatures, hparams, config.left_out)
        for problem in problems.values():
            check_positions(problem, self.net.longest, hparams.data)
        self.net.build()
        self.optimizer = Optimizer(self.net.trainable_variables, self.net.commands, training)
        specs = {n: {f: c.spec(hparams.data) for f, c in p.codecs.items()} for n, p in problems.items()}
        self.steps = Steps(self.net, self.optimizer, specs, training, seed, cluster, takers)
        self.mixer = Mixer(self.facts(), training, seed, takers)
        self.progress = Progress(self.steps, self.mixer, self.batches, training.accumulate_batches)
        self.shapes = NewShapes(None, hparams.data)  # leaves no note until a loop holds the run's lock
        self.best = self._best()
        self.saved: int | None = None  # the step of the checkpoint that was written or read last
        self.saved_at = time.monotonic()  # when a checkpoint was last tried
        self._averaged = False
        with cluster.chief_first():  # sets aside what is broken
            newest = checkpoint.load_newest(self.output_dir, report)
        if newest is not None:
            self._restore(*newest)

    @property
    def step(self) -> int:
        """The last step that was taken."""
        return self.progress.step

    @property
    def positions(self) -> dict[str, int]:
        """Each problem's place in its data."""
        return self.progress.positions

    @property
    def began(self) -> bool:
        """True if there is a checkpoint that training continues from."""
        return self.saved is not None

    def facts(self) -> dict[str, ProblemFacts]:
        """Return the size of an epoch of each problem."""
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
        """Return what each problem gets in the steps that are left."""
        batches_a_step = self.hparams.training.accumulate_batches
        return plan_rows(self.mixer, self.facts(), self.train_steps, self.step, batches_a_step)

    def evaluate(
        self, problems: Sequence[str] | None = None, *, permuted: bool = True, stop: Stop | None = None
    ) -> list[Result]:
        """Evaluate every problem, or those named, on its dev set; write the results to the run directory too.

        `permuted` adds the baseline of permuted inputs, a second pass. Raises Stopped when `stop` is set.
        """
        results = self.results(problems or list(self.problems), permuted, stop)
        write_results(self.output_dir, self.step, results)
        return results

    def predict(
        self, problem: str, values: Sequence[Any], options: DecodeOptions | None = None
    ) -> list[Decoded | Failure]:
        """Decode raw input values of a problem: see Decoder.decode."""
        with self.averaged():
            return self.decoder.decode(problem, values, options)

    @cached_property
    def decoder(self) -> Decoder:
        """A decoder that uses the current weights."""
        return Decoder(
            self.net,
            {name: ready.codecs for name, ready in self.problems.items()},
            self.hparams.data,
            {name: ready.target_ratio for name, ready in self.problems.items()},
        )

    @cached_property
    def activations(self) -> ActivationReader:
        """Reads attention and expert loads of the net with its current weights."""
        return ActivationReader(self.net, self.hparams.data)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Give the net its averaged weights within the context, if the hparam ema_decay keeps averages."""
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
        """Write a checkpoint of the last step; return its path. Of several workers the chief alone writes it.

        Raises NotFinite if a loss or gradient was non-finite, and UserError if the file cannot be written.
        """
        self.progress.settle()
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
        path = checkpoint.save(self.output_dir, self.step, tensors, state, self.config.keep_checkpoint_max)
        self.saved = self.step
        return path

    def restore(self, path: Path) -> None:
        """Continue from a checkpoint: weights, slots, step counts, schedule and each problem's place in its data."""
        self._restore(path, *checkpoint.load(path))

    def _restore(self, path: Path, tensors: Mapping[str, Any], state: Mapping[str, Any]) -> None:
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
        self.progress.place(state["step"], state["positions"])
        self.saved = self.step

    def results(self, problems: Sequence[str], permuted: bool, stop: Stop | None = None) -> list[Result]:
        """Return what `evaluate` returns, without writing it."""
        results = []
        with self.averaged():
            for name in problems:
                dev = Batches(self.problems[name], DEV, self.hparams.data, self.seed, training=False)
                steps = StoppableEvaluator(GuardedEvaluator(self.steps, self.shapes, self.step), stop or Stop())
                results.append(evaluate(steps, dev, self.config.eval_steps, self.seed, permuted=permuted))
        return results

    def _best(self) -> BestCheckpoint | None:
        if not self.config.best_metric:
            return None
        metrics = {name: [LOSS, *problem.problem.metrics] for name, problem in self.problems.items()}
        delta = self.config.eval_early_stopping_metric_delta
        return BestCheckpoint(self.output_dir, self.config.best_metric, metrics, delta)
