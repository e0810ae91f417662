"""Average the weights of several checkpoints, which often decode better than the last one (arXiv 1706.03762, 6.1)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from t2t_mm.errors import UserError
from t2t_mm.run_directory import CONFIG
from t2t_mm.train import checkpoint


def choose_checkpoints(output_dir: Path, names: Sequence[str], last: int) -> list[Path]:
    """Return the checkpoints in `names` (files, with or without suffix, or steps of the run) or the `last` newest ones.

    Raises UserError if one of them does not exist or is named twice, or if there are fewer than two.
    """
    if not names:
        paths = [checkpoint.path_of(output_dir, step) for step in checkpoint.steps(output_dir)[-last:]]
    else:
        paths = [_path(output_dir, name) for name in names]
        places = [path.resolve() for path in paths]
        if twice := [path.name for path, place in zip(paths, places, strict=True) if places.count(place) > 1]:
            raise UserError(f"--checkpoints names {twice[0]} more than once; name each checkpoint once.")
    if len(paths) < 2:
        available = ", ".join(path.name for path in paths) or "none"
        raise UserError(f"A mean needs two checkpoints or more; found in {output_dir}: {available}.")
    return paths


def check_output_path(output_dir: Path, requested: Path) -> Path:
    """Return the path to write a mean to: `requested`, with or without suffix.

    An earlier mean may be overwritten. Raises UserError if another file exists there, and if trainers would take the
    path for a checkpoint of the run in `output_dir` or of the run that contains it.
    """
    path = checkpoint.named(requested)
    if path.exists() and not _is_mean(path):
        raise UserError(
            f"--output_path={requested}: {path} exists already and would be overwritten. Choose another, or remove it."
        )
    folders = (path.parent, path.parent.parent)  # the best checkpoint has a folder of its own
    within = path.resolve().parent == output_dir.resolve() or any((folder / CONFIG).is_file() for folder in folders)
    if within and checkpoint.NAME.fullmatch(path.name):
        raise UserError(
            f"--output_path={requested} is the name of a checkpoint of the run, but training cannot continue from a "
            f"mean. Choose another, such as {path.with_name('averaged.safetensors')}."
        )
    return path


def _is_mean(path: Path) -> bool:
    try:
        return "averaged" in checkpoint.load(path)[1]
    except UserError:  # another kind of file, or a broken one
        return False


def average(paths: Sequence[Path], output_path: Path) -> Path:
    """Write the mean of the weights in `paths` to `output_path`, or of their moving averages if they were kept.

    One checkpoint is in memory at a time, beside the sums in float64. The file has no optimizer slots: it can be used
    for decoding, evaluation and a warm start, but no run can continue from it. Raises UserError for a checkpoint that
    is broken or of another architecture than the first, and if the mean cannot be written.
    """
    sums: dict[str, np.ndarray] = {}
    kinds: dict[str, np.dtype] = {}
    for path in paths:
        weights = checkpoint.weights_of(checkpoint.load(path)[0])
        if not sums:
            sums = {name: value.astype(np.float64) for name, value in weights.items()}
            kinds = {name: value.dtype for name, value in weights.items()}
        else:
            checkpoint.check_shapes(path, weights, sums, nothing_else=True)
            for name, value in weights.items():
                sums[name] += value
    mean = {name: (value / len(paths)).astype(kinds[name]) for name, value in sums.items()}
    checkpoint.write(output_path, mean, {"averaged": [path.name for path in paths]})
    return output_path


def _path(output_dir: Path, name: str) -> Path:
    if name.isdecimal():
        path = checkpoint.path_of(output_dir, int(name))
    else:
        path = checkpoint.named(Path(name).expanduser())
        path = path if path.is_file() or path.is_absolute() else output_dir / path
    if not path.is_file():
        known = ", ".join(map(str, checkpoint.steps(output_dir)))
        raise UserError(f"There is no checkpoint {name}. Steps with a checkpoint in {output_dir}: {known or 'none'}.")
    return path
