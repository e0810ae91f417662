"""Warm start: initialise a run from the weights of another one; what fits is taken, and what does not is listed."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from t2t_mm import run_directory
from t2t_mm.errors import UserError
from t2t_mm.models.net import Net
from t2t_mm.train import checkpoint
from t2t_mm.train.optim.optimizer import Optimizer, unit_of
from t2t_mm.train.train_state import TrainState

NAMED = 8  # weights of a kind that are named


@dataclass(frozen=True)
class WarmStart:
    """The weights that a net took from a checkpoint, and those that it did not take."""

    taken: list[str]  # weights, by path
    resized: list[str]  # of another shape there, and adapted: tables of positions
    misshapen: dict[str, str]  # of another shape there, and not taken; with both shapes
    other_vocabulary: list[str]  # whose rows stand for other words or classes there
    absent: list[str]  # of parts that the other run does not have: new heads
    left: list[str]  # there and not here
    numbers: int  # taken

    def lines(self, source: Path) -> list[str]:
        """Return the report: what was taken from `source`, and what was not."""
        count = len(self.taken) + len(self.resized)
        lines = [f"Weights from {source}: {count} of {count + len(self.fresh)} taken ({self.numbers:,} numbers)."]
        shapes = [f"{path} {shapes}" for path, shapes in self.misshapen.items()]
        for what, paths in (
            ("taken and resized", self.resized),
            ("not taken, of another shape", shapes),
            ("not taken, its vocabulary is another", _parts(self.other_vocabulary)),
            ("new here", _parts(self.absent)),
            ("there and not here", _parts(self.left)),
        ):
            if paths:
                lines.append(f"  {what}: {_some(paths)}.")
        return lines

    @property
    def fresh(self) -> list[str]:
        """The weights that keep their initial values."""
        return [*self.misshapen, *self.other_vocabulary, *self.absent]


def begin_warm(state: TrainState, source: Path, files: Mapping[str, str], report: Callable[[str], None]) -> None:
    """Give a run without a checkpoint the weights of another run that fit; `report` gets a line for each kind.

    Nets of words or classes whose file has another fingerprint there than in `files` keep their initial values. Raises
    UserError when `source` holds no checkpoint, or when nothing in it fits.
    """
    if state.began:
        report("The run goes on from its own checkpoint; --warm_start_from is for a new one.")
        return
    path, tensors = read(source)
    there: Mapping[str, str] = {}
    if (path.parent / run_directory.CONFIG).is_file():
        there = run_directory.read_files(path.parent)
    else:
        report(f"There is no {run_directory.CONFIG} beside {path}: whether its vocabularies are these is not checked.")
    others = {
        problem.codecs[name].port.key
        for problem in state.problems.values()
        for name, feature in problem.problem.features().items()
        if any(file in there and there[file] != files.get(file) for file in feature.files())
    }
    for line in warm_start(state.net, state.optimizer, tensors, others).lines(path):
        report(line)


def warm_start(
    net: Net, optimizer: Optimizer, tensors: Mapping[str, np.ndarray], other_nets: Iterable[str] = ()
) -> WarmStart:
    """Give `net` the weights of a checkpoint that have the same shape or can be adapted; optimizer slots are reset.

    Args:
        tensors: as read from the checkpoint; averaged weights are taken where they were kept.
        other_nets: modality nets ("text_subwords") with other words or classes there; theirs are not taken.

    Raises UserError when nothing fits.
    """
    there, here = checkpoint.weights_of(tensors), net.tensors()
    taken: dict[str, np.ndarray] = {}
    resized, misshapen, other, absent = [], {}, [], []
    for path, value in here.items():
        if path not in there:
            absent.append(path)
        elif path.split("/")[1] in other_nets:
            other.append(path)
        elif there[path].shape == value.shape:
            taken[path] = there[path]
        elif (adapted := net.adapted(path, there[path])) is not None:
            taken[path] = adapted
            resized.append(path)
        else:
            misshapen[path] = f"({there[path].shape} there, {value.shape} here)"
    if not taken:
        raise UserError("None of the weights there has the name and shape of one here; is it a run of another model?")
    net.restore(here | taken)
    optimizer.restore({})
    return WarmStart(
        taken=[path for path in taken if path not in resized],
        resized=resized,
        misshapen=misshapen,
        other_vocabulary=other,
        absent=absent,
        left=sorted(there.keys() - here.keys()),
        numbers=sum(value.size for value in taken.values()),
    )


def read(source: Path) -> tuple[Path, dict[str, np.ndarray]]:
    """Return the checkpoint that `source` names, with its arrays: a file, with or without suffix, or a run's newest.

    Raises UserError when there is none, or when it is broken.
    """
    path: Path | None = source
    if source.is_dir():
        path = checkpoint.latest(source)
    elif source.suffix != ".safetensors":
        path = source.with_name(f"{source.name}.safetensors")
    if path is None or not path.is_file():
        raise UserError(f"--warm_start_from={source} names no checkpoint and no run that has one.")
    return path, checkpoint.load(path)[0]


def _parts(paths: Iterable[str]) -> list[str]:
    """Return the nets that the weights at `paths` belong to, each with its number of weights."""
    units: dict[str, int] = {}
    for path in paths:
        units[unit_of(path)] = units.get(unit_of(path), 0) + 1
    return [f"{unit} ({count})" for unit, count in units.items()]


def _some(names: list[str]) -> str:
    rest = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {rest} more" if rest > 0 else "")
