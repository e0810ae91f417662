"""The mean of several checkpoints' weights, which often decodes better than the last one (arXiv 1706.03762, 6.1)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from t2t_mm.errors import UserError
from t2t_mm.train import checkpoint


def chosen(output_dir: Path, names: Sequence[str], last: int) -> list[Path]:
    """The checkpoints that `names` names (files, with or without suffix, or steps of the run), or the `last` newest.

    Raises UserError when one of them does not exist, or when that are fewer than two.
    """
    if not names:
        found = [checkpoint.path_of(output_dir, step) for step in checkpoint.steps(output_dir)[-last:]]
    else:
        found = [_path(output_dir, name) for name in names]
    if len(found) < 2:
        there = ", ".join(path.name for path in found) or "none"
        raise UserError(f"A mean takes two checkpoints or more; found in {output_dir}: {there}.")
    return found


def average(paths: Sequence[Path], output_path: Path) -> Path:
    """Write the mean of the weights in `paths` to `output_path`; where averages were kept, of those.

    One checkpoint is in memory at a time, beside the sums in float64. What is written has no slots: it decodes, is
    evaluated, and other runs begin from it; no run goes on from it. Raises UserError for a checkpoint that is broken
    or of another architecture than the first, and when the mean cannot be written.
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
        path = Path(name).expanduser()
        path = path if path.suffix == ".safetensors" else path.with_name(f"{path.name}.safetensors")
        path = path if path.is_file() or path.is_absolute() else output_dir / path
    if not path.is_file():
        known = ", ".join(map(str, checkpoint.steps(output_dir)))
        raise UserError(f"There is no checkpoint {name}. Steps with a checkpoint in {output_dir}: {known or 'none'}.")
    return path
