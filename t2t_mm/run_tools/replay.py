"""Replay a step with a non-finite loss or gradient from the run directory, without writing to it."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from t2t_mm import run_directory
from t2t_mm.data.input.batch import Batch
from t2t_mm.data.input.generated_problem import fingerprints, open_problem
from t2t_mm.errors import UserError
from t2t_mm.registry import PROBLEMS
from t2t_mm.train import checkpoint
from t2t_mm.train.faults.nonfinite import first_nonfinite
from t2t_mm.train.faults.policy import SKIP
from t2t_mm.train.logs.training_log import TrainingLog
from t2t_mm.train.loop import take_step
from t2t_mm.train.optim.learning_rate import learning_rate
from t2t_mm.train.step.step_record import NotFinite
from t2t_mm.train.step.steps import StepResult
from t2t_mm.train.trainer import Trainer


@dataclass(frozen=True)
class Fault:
    """The content of a file that `write_fault` wrote about a step."""

    path: Path
    step: int
    problem: str
    positions: tuple[int, ...]  # of its batches, in the problem's data
    examples: tuple[tuple[str, ...], ...]  # of each batch
    seed: int
    train_steps: int
    hparams: dict[str, Any]  # all, by name
    worker: int = 0  # the worker whose part of the step it is
    workers: int = 1  # how many workers took a problem each

    @classmethod
    def read(cls, path: Path) -> "Fault":
        """Read a fault. Raises UserError for a file that is missing or has another content."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return cls(
                path,
                content["step"],
                content["problem"],
                tuple(batch["position"] for batch in content["batches"]),
                tuple(tuple(batch["examples"]) for batch in content["batches"]),
                content["seed"],
                content["train_steps"],
                content["hparams"],
                content.get("worker", 0),
                content.get("workers", 1),
            )
        except OSError as error:
            raise UserError(f"{path} can't be read: {error.strerror}. Faults are in <output_dir>/faults.") from None
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path} is not a fault that this version of t2t_mm wrote ({error!r}).") from None


@dataclass(frozen=True)
class ReplayResult:
    """The result of a replay."""

    step: int
    problem: str
    saved: int  # the step of the checkpoint from which the replay began
    nats: float
    gradient_norm: float
    blame: str  # a sentence

    @property
    def finite(self) -> bool:
        """True if both loss and gradient norm are finite."""
        return math.isfinite(self.nats) and math.isfinite(self.gradient_norm)

    def __str__(self) -> str:
        numbers = f"its loss is {self.nats} and its gradient norm is {self.gradient_norm}."
        return f"Step {self.step:,} of {self.problem}, replayed from model.ckpt-{self.saved}: {numbers} {self.blame}"


def replay(
    fault: Path, hparams: str = "", *, output_dir: Path, data_dir: Path, report: Callable[[str], None]
) -> ReplayResult:
    """Replay a step of the run in `output_dir` with a non-finite loss or gradient; nothing is written there.

    Args:
        fault: the file that the run wrote about the step, `<output_dir>/faults/step-<step>.json`.
        hparams: changes to the hparams of the step, to see their effect.
        output_dir: the run directory.
        data_dir: the folder of the records that the run reads.
        report: called with lines of progress.

    Raises UserError for a fault, a run, data or a checkpoint that is missing or does not match.
    """
    recorded, run = Fault.read(fault), run_directory.load(output_dir)
    settings = run.hparams.with_values(recorded.hparams).override(hparams)
    ready = {name: open_problem(name, PROBLEMS[name], data_dir) for name in run.problems}
    run_directory.check_records(run, fingerprints(ready), output_dir)
    with TemporaryDirectory() as nowhere:
        config = replace(
            run.run_config,
            output_dir=Path(nowhere),
            random_seed=recorded.seed,
            train_steps=recorded.train_steps,
        )
        trainer = Trainer(ready, settings, config, workers=recorded.workers)
        return replay_step(trainer, recorded, output_dir, report)


def replay_step(trainer: Trainer, fault: Fault, output_dir: Path, report: Callable[[str], None]) -> ReplayResult:
    """Replay the step of `fault` as the run in `output_dir` took it.

    If the last checkpoint before the step is that of an earlier step, the steps in between are taken again too, which
    gives the same weights.

    Args:
        trainer: a trainer of the run's problems, hparams and seed, in another folder.
        fault: the step.
        output_dir: the run directory.
        report: called with a sentence on the steps that have to be taken before.

    Raises UserError if no earlier checkpoint is left, or if the run had rolled back and continued with other data.
    """
    saved_steps = checkpoint.steps(output_dir)
    before = [step for step in saved_steps if step < fault.step]
    if not before:
        raise UserError(
            f"{fault.path} needs the checkpoint of step {fault.step - 1:,} or an earlier one; {output_dir} has "
            f"{f'those of steps {saved_steps[0]:,} to {saved_steps[-1]:,}' if saved_steps else 'none'}."
        )
    trainer.restore(checkpoint.path_of(output_dir, before[-1]))
    _take_steps_until(trainer, fault.step - 1, report)
    batches_W = _batches(trainer, fault, before[-1])
    multiplier = trainer.problems[fault.problem].problem.loss_multiplier
    unknown = StepResult(np.float32("nan"), np.float32("nan"), {})
    records_W = trainer.progress.records(batches_W, [unknown] * fault.workers)
    blame = first_nonfinite(trainer.steps, records_W[fault.worker], multiplier)
    rate = _rate(trainer)(fault.step)
    if fault.workers == 1:
        result = trainer.steps.train(batches_W[0], fault.step, rate, multiplier)
    else:
        multipliers = [trainer.problems[batches[0].problem].problem.loss_multiplier for batches in batches_W]
        result = trainer.steps.train_per_worker(batches_W, fault.step, rate, multipliers)[fault.worker]
    nats, norm = float(result.nats), float(result.gradient_norm)
    return ReplayResult(fault.step, fault.problem, before[-1], nats, norm, blame)


def _take_steps_until(trainer: Trainer, last: int, report: Callable[[str], None]) -> None:
    """Take the steps up to `last` as the run did."""
    if trainer.step == last:
        return
    report(f"Taking steps {trainer.step + 1:,} to {last:,} again, from the last checkpoint before the fault.")
    rate, progress = _rate(trainer), trainer.progress
    with TemporaryDirectory() as nowhere:
        log = TrainingLog(Path(nowhere), list(trainer.problems), last, start=trainer.step)
        with log:
            try:
                while trainer.step < last:
                    try:
                        take_step(progress, rate, trainer.shapes, log)
                        if trainer.step == last:
                            progress.settle()
                    except NotFinite as other:
                        if trainer.hparams.training.not_finite != SKIP:
                            raise
                        progress.skip(other.record)
            finally:
                progress.close()


def _batches(trainer: Trainer, fault: Fault, saved: int) -> list[tuple[Batch, ...]]:
    """Return the batches of the fault, which must be the run's next ones, for each worker that took its own."""
    problem, position, due = fault.problem, fault.positions[0], trainer.progress.due
    if len(due) != fault.workers or due[fault.worker] != (problem, position):
        raise UserError(
            f"Step {fault.step:,} after model.ckpt-{saved} is not the one in {fault.path}: the run had rolled back "
            f"before it and continued with other data. The checkpoint of step {fault.step - 1:,} is needed."
        )
    batches_W = [
        tuple(trainer.batches[name].batch(first + number) for number in range(len(fault.positions)))
        for name, first in due
    ]
    if tuple(batch.ids for batch in batches_W[fault.worker]) != fault.examples:
        raise UserError(
            f"Batch {position:,} of {problem} has other examples than in {fault.path}: use the --data_dir and the "
            "hparams of the run."
        )
    return batches_W


def _rate(trainer: Trainer) -> Callable[[int], float]:
    hparams = trainer.hparams
    return learning_rate(hparams.training, hparams.body.hidden_size, trainer.train_steps)
