"""A trained run to the configuration of another one: with a problem more, with some fewer, or with one alone."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from t2t_mm.data.input.generated_problem import GeneratedProblem
from t2t_mm.data.input.records import files_of
from t2t_mm.errors import UnknownName, UserError
from t2t_mm.feature import Signature
from t2t_mm.hparam_set import HparamSet
from t2t_mm.models.net import Net
from t2t_mm.registry import PROBLEMS
from t2t_mm.run_directory import RunRecord
from t2t_mm.run_tools.surgery.experts import with_experts
from t2t_mm.run_tools.surgery.use import covered, parts_of, read_by
from t2t_mm.train.mixture.mixer import SCHEDULED
from t2t_mm.train.mixture.problem_schedule import of_problems
from t2t_mm.train.optim.optimizer import paths_of


@dataclass(frozen=True)
class Trained:
    """A run in `folder`, and all that one of its checkpoints holds. Nothing of it is ever changed."""

    folder: Path
    config: RunRecord
    checkpoint: Path
    arrays: Mapping[str, np.ndarray]
    state: Mapping[str, Any]

    def __post_init__(self) -> None:
        if "step" not in self.state or "positions" not in self.state:
            raise UserError(
                f"{self.checkpoint} holds weights alone, and nothing that training could go on from. "
                f"Name a checkpoint that the trainer wrote."
            )

    @property
    def step(self) -> int:
        return int(self.state["step"])


def add(run: Trained, new: Mapping[str, GeneratedProblem]) -> RunRecord:
    """The run with the problems `new` beside its own.

    Raises UserError for one that it has, that its model cannot learn, or that stands on another vocabulary or list of
    classes of the same name.
    """
    check_new(run, new)
    config = run.config
    for name, ready in new.items():
        for file in files_of(ready.problem):
            here, there = ready.manifest.fingerprints[file], config.files.get(file)
            if there not in (here, None):
                raise UserError(
                    f"{ready.folder} stands on another {file} than {run.folder}: fingerprint {here[:12]} there, "
                    f"{there[:12]} in the run. Generate {name} in a --data_dir that holds the run's {file}."
                )
    problems = {**config.problems, **{name: ready.signature for name, ready in new.items()}}
    return replace(
        config,
        problems=problems,
        target_ratios={**config.target_ratios, **{name: ready.target_ratio for name, ready in new.items()}},
        records={
            **config.records,
            **{split: one for ready in new.values() for split, one in ready.fingerprints.items()},
        },
        files={**config.files, **{file: one for ready in new.values() for file, one in _files(ready).items()}},
        left_out=_still_left_out(config, problems, new),
    )


def check_new(run: Trained, names: Iterable[str]) -> None:
    """Raise UserError for one of `names` that the run has: what can be said before its data is made."""
    for name in names:
        if name in run.config.problems:
            raise UserError(f"{run.folder} has learnt {name} already; leave it out.")


def check_learnt(run: Trained, names: Iterable[str]) -> None:
    """Raise UnknownName for one of `names` that the run does not have."""
    for name in names:
        if name not in run.config.problems:
            raise UnknownName(f"problem of {run.folder}", name, run.config.problems)


def drop(run: Trained, names: Iterable[str]) -> RunRecord:
    """The run without the problems `names`. Raises UserError for one that it does not have, and if none would stay."""
    names = list(names)
    check_learnt(run, names)
    stay = [name for name in run.config.problems if name not in names]
    if not stay:
        raise UserError(f"Without {', '.join(names)} no problem would be left of {run.folder}; one must stay.")
    return with_only(run.config, stay)


def extract(run: Trained, net: Net, ready: GeneratedProblem, experts: Mapping[str, np.ndarray]) -> RunRecord:
    """The run with the problem `ready` alone, without the weights that it does not read.

    Args:
        net: the run's.
        experts: by path of a layer, the numbers of the experts that stay; layers that are not named keep all.

    Raises UserError for a problem that the run does not have.
    """
    check_learnt(run, [ready.name])
    alone = with_only(run.config, [ready.name])
    paths = {weight.path for weight in net.weights}
    unread = parts_of(paths - read_by(net, ready), paths)
    hparams = with_experts(alone.hparams, net, experts) if experts else alone.hparams
    return replace(alone, hparams=hparams, left_out=_of_nets(alone.problems, {*alone.left_out, *unread}))


def with_changes(config: RunRecord, changes: str, paths: Sequence[str]) -> tuple[RunRecord, list[str]]:
    """`config` with `changes` ("name=value,...") to its training hparams, and what was left out of these as it names
    what the run no longer has: problems in `problem_rates` and `problem_schedule`, parts in `freeze`.

    Args:
        paths: those of the new net's weights.

    Raises UserError for a change of other hparams, or one that `override` refuses.
    """
    hparams, notes = config.hparams, []
    if len(config.problems) == 1 and hparams.training.problem_choice in ("fixed", "scheduled", "distributed"):
        notes.append(f"problem_choice: uniform, not {hparams.training.problem_choice}, since one problem is left.")
        hparams = hparams.with_values({"problem_choice": "uniform", "problem_rates": "", "problem_schedule": ""})
    for what in ("problem_rates", "problem_schedule", "freeze"):
        names = getattr(hparams.training, what)
        if what == "problem_schedule":
            stay, gone = of_problems(names, config.problems)
        else:
            gone = [name for name in names.split() if not _is_there(what, name, config, paths)]
            stay = " ".join(name for name in names.split() if name not in gone)
        if gone:
            notes.append(f"{what}: {' '.join(gone)} is left out, since it names nothing here.")
            hparams = hparams.with_values({what: stay})
    if hparams.training.problem_choice == SCHEDULED and not hparams.training.problem_schedule:
        notes.append("problem_choice: uniform, not scheduled, since no point of problem_schedule is left.")
        hparams = hparams.with_values({"problem_choice": "uniform"})
    return replace(config, hparams=changed_training(hparams, changes)), notes


def changed_training(hparams: HparamSet, changes: str) -> HparamSet:
    """`hparams` of a trained run with `changes`, "name=value,...".

    Raises UserError for a change of other hparams than training's, another optimizer, or what `override` refuses.
    """
    changed = hparams.override(changes)
    if (changed.body, changed.data) != (hparams.body, hparams.data):
        raise UserError(f"--hparams={changes}: of a trained run only training hparams can be changed, such as freeze.")
    before, now = hparams.training.optimizer, changed.training.optimizer
    if before != now:
        raise UserError(f"The run was trained with optimizer={before}, whose slots go on with it; received {now}.")
    return changed


def _is_there(what: str, entry: str, config: RunRecord, paths: Sequence[str]) -> bool:
    """Whether the run has what `entry` of the training hparam `what` names."""
    if what == "freeze":
        return bool(paths_of(paths, entry))
    problem, colon, _ = entry.partition(":")
    return not colon or problem in config.problems


def changed_hparams(before: HparamSet, after: HparamSet) -> dict[str, Any]:
    """Each hparam that differs, as "record.name" with the record's class, and its new value."""
    return {
        f"{type(getattr(after, record)).__name__}.{name}": value
        for record in ("body", "training", "data")
        for name, value in vars(getattr(after, record)).items()
        if vars(getattr(before, record))[name] != value
    }


def with_only(config: RunRecord, names: Sequence[str]) -> RunRecord:
    """The configuration of a run of the problems `names` alone, with the whole body."""
    problems = {name: config.problems[name] for name in names}
    files = {file for name in names for file in files_of(PROBLEMS[name])}
    return replace(
        config,
        problems=problems,
        target_ratios={name: config.target_ratios[name] for name in names},
        records={split: one for split, one in config.records.items() if split.partition(" ")[0] in problems},
        files={file: one for file, one in config.files.items() if file in files},
        left_out=_of_nets(problems, config.left_out),
    )


def _of_nets(problems: Mapping[str, Signature], left_out: Iterable[str]) -> tuple[str, ...]:
    """Those of `left_out` that belong to the body or to a modality net that is there, and to no other of them."""
    ports = {port.key for one in problems.values() for port in (one.inputs, one.targets) if port is not None}
    names = {part for part in left_out if part.partition("/")[0] in {"body", *ports}}
    return tuple(sorted(part for part in names if not any(part.startswith(f"{other}/") for other in names)))


def _still_left_out(
    config: RunRecord, problems: Mapping[str, Signature], new: Mapping[str, GeneratedProblem]
) -> tuple[str, ...]:
    """What the run does without and goes on to do without, as none of the `new` problems reads it either."""
    if not config.left_out:
        return ()
    net = Net(problems, config.hparams)
    net.build()
    paths = {weight.path for weight in net.weights}
    read = {path for ready in new.values() for path in read_by(net, ready)}
    return parts_of(covered(paths, config.left_out) - read, paths)


def _files(ready: GeneratedProblem) -> dict[str, str]:
    return {file: ready.manifest.fingerprints[file] for file in files_of(ready.problem)}
