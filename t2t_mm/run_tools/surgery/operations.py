"""Make the configuration of a new run from a trained one: problems are added or dropped, or one is extracted."""

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
from t2t_mm.train.mixture.problem_schedule import without_other_problems
from t2t_mm.train.optim.optimizer import paths_of


@dataclass(frozen=True)
class Trained:
    """A trained run in `folder` with the content of one of its checkpoints; neither is ever changed."""

    folder: Path
    config: RunRecord
    checkpoint: Path
    arrays: Mapping[str, np.ndarray]
    state: Mapping[str, Any]

    def __post_init__(self) -> None:
        if "step" not in self.state or "positions" not in self.state:
            raise UserError(
                f"{self.checkpoint} contains only weights, so training cannot continue from it. "
                "Name a checkpoint that the trainer wrote."
            )

    @property
    def step(self) -> int:
        """The step of the checkpoint."""
        return int(self.state["step"])


def add(run: Trained, new: Mapping[str, GeneratedProblem]) -> RunRecord:
    """Return the configuration of the run with the problems `new` added to its own.

    Raises UserError for a problem that the run has already, that its model cannot learn, or that was made with another
    vocabulary or list of classes of the same name.
    """
    check_new(run, new)
    config = run.config
    for name, ready in new.items():
        for file in files_of(ready.problem):
            here, there = ready.manifest.fingerprints[file], config.files.get(file)
            if there not in (here, None):
                raise UserError(
                    f"{ready.folder} was made with another {file} than {run.folder}: its fingerprint is {here[:12]}, "
                    f"in the run it is {there[:12]}. Generate {name} in a --data_dir that has the run's {file}."
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
        run_config=replace(
            config.run_config, problems=tuple(problems), left_out=_still_left_out(config, problems, new)
        ),
    )


def check_new(run: Trained, names: Iterable[str]) -> None:
    """Raise UserError if the run has one of `names`; this can be checked before data is made."""
    for name in names:
        if name in run.config.problems:
            raise UserError(f"{run.folder} has learnt {name} already; leave it out.")


def check_learnt(run: Trained, names: Iterable[str]) -> None:
    """Raise UnknownName if the run does not have one of `names`."""
    for name in names:
        if name not in run.config.problems:
            raise UnknownName(f"problem of {run.folder}", name, run.config.problems)


def drop(run: Trained, names: Iterable[str]) -> RunRecord:
    """Return the configuration of the run without the problems `names`.

    Raises UserError for a problem that the run does not have, and if none would be left.
    """
    names = list(names)
    check_learnt(run, names)
    stay = [name for name in run.config.problems if name not in names]
    if not stay:
        raise UserError(f"Without {', '.join(names)} no problem of {run.folder} would be left; drop fewer.")
    return with_only(run.config, stay)


def extract(run: Trained, net: Net, ready: GeneratedProblem, experts: Mapping[str, np.ndarray]) -> RunRecord:
    """Return the configuration of the run with only the problem `ready`, without the weights that it does not read.

    Args:
        run: the trained run.
        net: its net.
        ready: the problem and its records.
        experts: by path of a layer, the numbers of the experts to keep; layers that are not named keep all.

    Raises UserError for a problem that the run does not have.
    """
    check_learnt(run, [ready.name])
    alone = with_only(run.config, [ready.name])
    paths = {weight.path for weight in net.weights}
    unread = parts_of(paths - read_by(net, ready), paths)
    hparams = with_experts(alone.hparams, net, experts) if experts else alone.hparams
    left_out = _of_nets(alone.problems, {*alone.run_config.left_out, *unread})
    return replace(alone, hparams=hparams, run_config=replace(alone.run_config, left_out=left_out))


def with_changes(config: RunRecord, changes: str, paths: Sequence[str]) -> tuple[RunRecord, list[str]]:
    """Return `config` with changes to its training hparams, and sentences about what was removed from them.

    Names that the run no longer has are removed: problems in `problem_rates` and `problem_schedule`, parts in `freeze`.

    Args:
        config: the configuration of the new run.
        changes: "name=value,...".
        paths: the paths of the new net's weights.

    Raises UserError for a change of other hparams, or one that `override` refuses.
    """
    hparams, notes = config.hparams, []
    if len(config.problems) == 1 and hparams.training.problem_choice in ("fixed", "scheduled", "distributed"):
        notes.append(f"problem_choice: uniform, not {hparams.training.problem_choice}, since one problem is left.")
        hparams = hparams.with_values({"problem_choice": "uniform", "problem_rates": "", "problem_schedule": ""})
    for what in ("problem_rates", "problem_schedule", "freeze"):
        names = getattr(hparams.training, what)
        if what == "problem_schedule":
            stay, removed = without_other_problems(names, config.problems)
        else:
            removed = [name for name in names.split() if not _exists(what, name, config, paths)]
            stay = " ".join(name for name in names.split() if name not in removed)
        if removed:
            notes.append(f"{what}: {' '.join(removed)} is removed, since the new run does not have it.")
            hparams = hparams.with_values({what: stay})
    if hparams.training.problem_choice == SCHEDULED and not hparams.training.problem_schedule:
        notes.append("problem_choice: uniform, not scheduled, since no point of problem_schedule is left.")
        hparams = hparams.with_values({"problem_choice": "uniform"})
    return replace(config, hparams=changed_training(hparams, changes)), notes


def changed_training(hparams: HparamSet, changes: str) -> HparamSet:
    """Return `hparams` of a trained run with `changes`, "name=value,...".

    Raises UserError for a change of hparams other than those of training, for another optimizer, and for a change that
    `override` refuses.
    """
    changed = hparams.override(changes)
    if (changed.body, changed.data) != (hparams.body, hparams.data):
        raise UserError(f"--hparams={changes}: only training hparams can be changed in a trained run, such as freeze.")
    before, now = hparams.training.optimizer, changed.training.optimizer
    if before != now:
        raise UserError(f"The run was trained with optimizer={before} and keeps its slots; received optimizer={now}.")
    return changed


def _exists(what: str, entry: str, config: RunRecord, paths: Sequence[str]) -> bool:
    """Return True if the run has the problem or part that `entry` of the training hparam `what` names."""
    if what == "freeze":
        return bool(paths_of(paths, entry))
    problem, colon, _ = entry.partition(":")
    return not colon or problem in config.problems


def changed_hparams(before: HparamSet, after: HparamSet) -> dict[str, Any]:
    """Return each hparam that differs, as "record.name" with the record's class, and its new value."""
    return {
        f"{type(getattr(after, record)).__name__}.{name}": value
        for record in ("body", "training", "data")
        for name, value in vars(getattr(after, record)).items()
        if vars(getattr(before, record))[name] != value
    }


def with_only(config: RunRecord, names: Sequence[str]) -> RunRecord:
    """Return the configuration of a run of only the problems `names`, with the complete body."""
    problems = {name: config.problems[name] for name in names}
    files = {file for name in names for file in files_of(PROBLEMS[name])}
    return replace(
        config,
        problems=problems,
        target_ratios={name: config.target_ratios[name] for name in names},
        records={split: one for split, one in config.records.items() if split.partition(" ")[0] in problems},
        files={file: one for file, one in config.files.items() if file in files},
        run_config=replace(
            config.run_config, problems=tuple(problems), left_out=_of_nets(problems, config.run_config.left_out)
        ),
    )


def _of_nets(problems: Mapping[str, Signature], left_out: Iterable[str]) -> tuple[str, ...]:
    """Return those of `left_out` that belong to the body or to a modality net of `problems`, without nested ones."""
    ports = {port.key for one in problems.values() for port in (one.inputs, one.targets) if port is not None}
    names = {part for part in left_out if part.partition("/")[0] in {"body", *ports}}
    return tuple(sorted(part for part in names if not any(part.startswith(f"{other}/") for other in names)))


def _still_left_out(
    config: RunRecord, problems: Mapping[str, Signature], new: Mapping[str, GeneratedProblem]
) -> tuple[str, ...]:
    """Return the parts that the run leaves out and that none of the `new` problems reads either."""
    if not config.run_config.left_out:
        return ()
    net = Net(problems, config.hparams)
    net.build()
    paths = {weight.path for weight in net.weights}
    read = {path for ready in new.values() for path in read_by(net, ready)}
    return parts_of(covered(paths, config.run_config.left_out) - read, paths)


def _files(ready: GeneratedProblem) -> dict[str, str]:
    return {file: ready.manifest.fingerprints[file] for file in files_of(ready.problem)}
