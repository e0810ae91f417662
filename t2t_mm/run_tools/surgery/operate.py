"""Make a new run from a trained one: its arrays, its state and its run directory."""

import os
import random
from ast import literal_eval
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from t2t_mm import run_directory
from t2t_mm.atomic_file import partial_folder
from t2t_mm.data.input.generated_problem import GeneratedProblem
from t2t_mm.errors import UserError
from t2t_mm.evaluation.results import LOSS
from t2t_mm.fingerprint import fingerprint
from t2t_mm.models.net import Net
from t2t_mm.registry import PROBLEMS
from t2t_mm.run_directory import RunRecord
from t2t_mm.run_tools.surgery.fit import Fitted, fit
from t2t_mm.run_tools.surgery.operations import Trained, changed_hparams, with_changes, with_only
from t2t_mm.train import checkpoint
from t2t_mm.train.best_checkpoint import Aim
from t2t_mm.train.memory.max_positions import check_positions
from t2t_mm.train.mixture.mixer import Mixer, ProblemFacts
from t2t_mm.train.optim.optimizer import Optimizer, frozen_paths

GIN = "operative_config.gin"


@dataclass(frozen=True)
class Operated:
    """A new run that is not written yet."""

    config: RunRecord
    fitted: Fitted
    state: Mapping[str, Any]
    notes: list[str]  # sentences for the user


def operate(
    run: Trained,
    config: RunRecord,
    changes: str = "",
    experts: Mapping[str, np.ndarray] | None = None,
    new: Mapping[str, GeneratedProblem] | None = None,
) -> Operated:
    """Return the run of `config` with everything that it shares with the trained run.

    These are weights, slots, step counts, positions in the data and the state of the mixture. Everything else begins as
    in a new run.

    Args:
        run: the trained run.
        config: the configuration that `add`, `drop` or `extract` returned.
        changes: changes to the training hparams, "name=value,...".
        experts: by path of a layer, the numbers of the experts to keep, for layers that lose some.
        new: the problems that were added.

    Raises UserError for a model that cannot learn a problem, for changes of other hparams, and for hparams that
    training would refuse.
    """
    random.seed(config.run_config.random_seed or 0)  # Keras draws from it for initial weights
    net = Net(config.problems, config.hparams, config.run_config.left_out)
    for ready in (new or {}).values():
        check_positions(ready, net.longest, config.hparams.data)
    net.build()
    config, notes = with_changes(config, changes, [weight.path for weight in net.weights])
    optimizer = Optimizer(net.trainable_variables, net.commands, config.hparams.training)
    there = optimizer.settled(run.arrays)
    if settled := sum(there[name] is not value for name, value in run.arrays.items()):
        notes.append(
            f"freeze: {settled:,} frozen weights have the values of their averages, with which the run was evaluated."
        )
    fitted = fit(there, net.tensors() | optimizer.tensors(), experts or {})
    mixer = _mixer(config)
    return Operated(
        config,
        fitted,
        {
            **run.state,
            "positions": {name: run.state["positions"].get(name, 0) for name in config.problems},
            "mixing": _mixing(run.state["mixing"], mixer.state()),
        },
        notes,
    )


def check_changes(run: Trained, name: str, changes: str, net: Net) -> None:
    """Raise UserError for `changes` that the run of the problem `name` alone would refuse, before experts are counted.

    `net` is that of the trained run.
    """
    paths = [weight.path for weight in net.trainable_variables]
    config, _ = with_changes(with_only(run.config, [name]), changes, [weight.path for weight in net.weights])
    frozen_paths(paths, config.hparams.training.freeze)
    _mixer(config)


def check_target(output_dir: Path) -> None:
    """Raise UserError unless `output_dir` is missing or an empty folder, so that a run can be written to it."""
    if output_dir.exists() and (not output_dir.is_dir() or any(output_dir.iterdir())):
        raise UserError(f"--output_dir={output_dir} is not empty; a new run needs a folder of its own. Choose another.")


def write(run: Trained, operated: Operated, output_dir: Path, data_dir: Path | None = None) -> Path:
    """Write the new run completely or not at all (atomic); return the path of its checkpoint.

    Args:
        run: the trained run.
        operated: the new run.
        output_dir: the new run's directory.
        data_dir: the folder of vocabularies and lists of classes that the trained run does not have.

    Raises UserError if `output_dir` is not empty, if a file of the trained run was changed since the training, or if
    the disk is full or not writable.
    """
    check_target(output_dir)
    config = operated.config
    old = {file: one for file, one in config.files.items() if file in run.config.files}
    for file, one in old.items():
        path = run.folder / file
        if not path.is_file() or fingerprint(path) != one:
            raise UserError(f"{path} is missing or was changed since the training; copy it back from its --data_dir.")
    try:
        output_dir.parent.mkdir(parents=True, exist_ok=True)
        with partial_folder(output_dir.parent) as beside:
            folder = beside / output_dir.name
            folder.mkdir()
            run_directory.copy_files(run.folder, folder, old)
            if data_dir is not None:
                run_directory.copy_files(data_dir, folder, {n: one for n, one in config.files.items() if n not in old})
            run_directory.save(config, folder)
            (folder / GIN).write_text(_gin(run, config), encoding="utf-8")
            path = checkpoint.save(folder, run.step, operated.fitted.arrays, operated.state, keep=0)
            os.replace(folder, output_dir)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"{output_dir} could not be written: {reason}. No part of it was kept.") from error
    return output_dir / path.name


def _mixer(config: RunRecord) -> Mixer:
    some = ProblemFacts(examples=1, batches=1, tokens=1, unigram_nats=1.0)  # rates do not matter here
    return Mixer(dict.fromkeys(config.problems, some), config.hparams.training, config.run_config.random_seed or 0)


def _mixing(there: Mapping[str, Any], here: Mapping[str, Any]) -> dict[str, Any]:
    """Return the state of the mixture; entries by problem come from the old state for the problems that it has."""
    mixed = {}
    for key, initial in here.items():
        known = there.get(key, initial)
        by_problem = isinstance(initial, Mapping)
        mixed[key] = {name: known.get(name, one) for name, one in initial.items()} if by_problem else known
    return mixed


def _gin(run: Trained, config: RunRecord) -> str:
    """Return the operative configuration: the lines of the trained run that are still true, then what differs.

    gin uses the last binding of a name.
    """
    path = run.folder / GIN
    earlier = _still_true(path.read_text(encoding="utf-8"), config).rstrip() if path.is_file() else ""
    bindings: dict[str, Any] = {"run.problems": "-".join(config.problems)}
    bindings |= {"run.left_out": config.run_config.left_out} if config.run_config.left_out else {}
    bindings |= changed_hparams(run.config.hparams, config.hparams)
    ours = [f"# t2t-mm-surgery made this run from {run.checkpoint}.", *(f"{n} = {v!r}" for n, v in bindings.items())]
    return "\n".join([*([earlier, ""] if earlier else []), *ours]) + "\n"


def _still_true(text: str, config: RunRecord) -> str:
    """Return the lines of an operative configuration without those about the warm start and outdated metrics."""
    bound = {line.partition(" = ")[0]: line.partition(" = ")[2] for line in text.splitlines()}
    removed = {"run.warm_start_from", "run.left_out"}
    try:
        metrics = {name: [LOSS, *PROBLEMS[name].metrics] for name in config.problems}
        Aim.parse(str(literal_eval(bound.get("run.best_metric", "'loss'"))), metrics)
    except (UserError, ValueError, SyntaxError):
        removed |= {"run.best_metric", "run.eval_early_stopping_steps", "run.eval_early_stopping_metric_delta"}
    return "\n".join(line for line in text.splitlines() if line.partition(" = ")[0] not in removed)
