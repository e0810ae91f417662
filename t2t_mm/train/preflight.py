"""Preflight: check a run before its first step: its data, and that its steps fit into memory."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from t2t_mm.data.input.check_records import THOROUGHLY, SplitCheck, check_splits
from t2t_mm.data.input.generated_problem import GeneratedProblem
from t2t_mm.data.input.records import verify
from t2t_mm.errors import UserError
from t2t_mm.evaluation.table import Table
from t2t_mm.train.memory.memory_limit import available
from t2t_mm.train.trial_step import TrialResult, TrialStep, try_out

MUCH = 0.1  # of the examples: dropping more than this is worth a note
NONE = "-"


@dataclass(frozen=True)
class Preflight:
    """The results of the checks. A run may begin if there are no faults."""

    splits: tuple[SplitCheck, ...]  # by problem and split
    trials: tuple[TrialResult, ...]  # by problem; empty where the data has faults
    limit: int | None  # bytes of memory that a step may take; None if the system does not say
    faults: tuple[str, ...]  # sentences

    def tables(self) -> list[Table]:
        """Return the tables for a terminal."""
        return [_data_table(self.splits), *([_step_table(self.trials, self.limit)] if self.trials else [])]


def preflight(ready: Mapping[str, GeneratedProblem], trial: TrialStep, *, checksums: bool = False) -> Preflight:
    """Check the data of a run's problems and, if it has no faults, take a step of each on its largest batch.

    With `checksums` every file is compared with its checksum, and every record is read instead of a sample.
    """
    splits: list[SplitCheck] = []
    faults: list[str] = []
    for problem in ready.values():
        if checksums:
            try:
                verify(problem.folder, problem.manifest)
            except UserError as error:
                faults.append(str(error))
        splits += check_splits(problem, trial.hparams.data, None if checksums else THOROUGHLY)
    faults += [fault for one in splits for fault in one.faults if fault not in faults]
    limit, trials = available(), []
    if not faults:
        try:
            trials = try_out(trial, limit)
        except UserError as error:
            faults.append(str(error))
        faults += _faults_of_steps(trials, limit)
    return Preflight(tuple(splits), tuple(trials), limit, tuple(faults))


def _faults_of_steps(trials: Sequence[TrialResult], limit: int | None) -> list[str]:
    unfit = [one for one in trials if not one.fits]
    faults = [
        f"A step of {one.problem} on its largest batch does not fit into memory{_left(limit)} with "
        f"batch_size={one.batch_size}."
        for one in unfit
    ]
    if unfit and all(one.at_most is not None for one in unfit):
        fitting = min(one.at_most.batch_size for one in unfit if one.at_most is not None)
        faults.append(f"All fit with --hparams=batch_size={fitting}.")
    elif unfit:
        alone = ", ".join(one.problem for one in unfit if one.at_most is None)
        faults.append(
            f"One example of {alone} does not fit: a smaller max_length or audio_seconds leaves out long ones, and a "
            f"smaller hparam set needs less memory for each."
        )
    faults += [
        f"The loss of {one.problem} is {one.at_most.nats} in the first step."
        for one in trials
        if one.at_most is not None and not math.isfinite(one.at_most.nats)
    ]
    return faults


def _data_table(splits: Sequence[SplitCheck]) -> Table:
    notes = [
        "checked: records whose ids, shapes and lengths were compared with what the model expects.",
        "left out: when the data was generated, for the reason given; too long: by max_length or audio_seconds, in "
        "training only. No example is truncated.",
    ]
    notes += [
        f"{one.problem}: {one.dropped:.1%} of its examples of {one.split} are dropped."
        for one in splits
        if one.dropped > MUCH
    ]
    notes += [
        f"{sentence} corrupt_record=skip leaves it out." for one in splits if not one.faults for sentence in one.corrupt
    ]
    return Table(
        title="Data",
        columns=("problem", "split", "examples", "checked", "left out", "too long", "dropped", "valid"),
        rows=[
            (
                one.problem,
                one.split,
                f"{one.examples:,}",
                f"{one.read:,}",
                ", ".join(f"{count:,} {reason}" for reason, count in one.left_out.items()) or NONE,
                f"{one.too_long:,}" if one.too_long else NONE,
                f"{one.dropped:.2%}",
                "no" if one.faults else "yes",
            )
            for one in splits
        ],
        notes=notes,
    )


def _step_table(trials: Sequence[TrialResult], limit: int | None) -> Table:
    return Table(
        title="One step on the largest batch of each problem",
        columns=("problem", "batch", "peak memory", "seconds", "nats a target", "fits"),
        rows=[_step_cells(one) for one in trials],
        notes=[
            f"peak memory: of the whole process (VmHWM), with weights and optimizer{_left(limit)}.",
            "seconds: with compiling, for the first step of a kind.",
        ],
    )


def _step_cells(one: TrialResult) -> tuple[str, ...]:
    fit = one.at_most
    if fit is None:
        return one.problem, NONE, NONE, NONE, NONE, "no"
    batch = ", ".join(f"{feature} {'x'.join(map(str, shape))}" for feature, shape in fit.shapes.items())
    verdict = "yes" if one.fits else f"batch_size={fit.batch_size}"
    return one.problem, batch, f"{fit.peak / 1e9:.2f} GB", f"{fit.seconds:.1f}", f"{fit.nats:.2f}", verdict


def _left(limit: int | None) -> str:
    return "" if limit is None else f" ({limit / 1e9:.1f} GB are left)"
