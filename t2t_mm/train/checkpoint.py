"""Checkpoints: one safetensors file each, `model.ckpt-<step>.safetensors`, of named arrays and a JSON state.

The file's metadata hold the state and a checksum over both, verified on load. No pickles; every safetensors reader
opens it.
"""

import json
import re
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from t2t_mm.atomic_file import atomic_write, sweep
from t2t_mm.errors import UserError
from t2t_mm.train.optim.update_rule import AVERAGE

SUFFIX = ".safetensors"
NAME = re.compile(r"model\.ckpt-(\d+)\.safetensors")


class Broken(UserError):
    """A checkpoint that is not what was written."""

    def __init__(self, path: Path, reason: str) -> None:
        self.reason = reason.rstrip(".")
        earlier = [step for step in steps(path.parent) if path_of(path.parent, step) != path]
        remedy = f"Another one is {path_of(path.parent, earlier[-1])}." if earlier else "There is no other."
        super().__init__(f"The checkpoint {path} is broken: {self.reason}. {remedy}")


def path_of(folder: Path, step: int) -> Path:
    """Return the path of the checkpoint of `step` in `folder`."""
    return folder / f"model.ckpt-{step}.safetensors"


def named(path: Path) -> Path:
    """Return `path` with the suffix of a checkpoint, which users may leave out."""
    return path if path.suffix == SUFFIX else path.with_name(f"{path.name}{SUFFIX}")


def steps(folder: Path) -> list[int]:
    """Return the steps of the checkpoints in `folder`, in rising order; empty for a folder that does not exist."""
    if not folder.is_dir():
        return []
    names = (NAME.fullmatch(path.name) for path in folder.iterdir())
    return sorted(int(name.group(1)) for name in names if name)


def latest(folder: Path) -> Path | None:
    """Return the checkpoint of the last step, or None when there is none."""
    saved = steps(folder)
    return path_of(folder, saved[-1]) if saved else None


def save(folder: Path, step: int, tensors: Mapping[str, np.ndarray], state: Mapping[str, Any], keep: int) -> Path:
    """Write the checkpoint of `step`, then remove all but the newest `keep`, never the one just written.

    Args:
        tensors: arrays of any shape by name; they are written without making a copy.
        state: values that JSON can hold; floats are restored to the last bit.
        keep: number of checkpoints to keep; 0 removes none.

    Returns the file's path. Raises UserError when it cannot be written; earlier checkpoints then stay as they are.
    """
    path = path_of(folder, step)
    if folder.is_dir():
        sweep(folder)
    write(path, tensors, state)
    if keep > 0:
        others = [other for other in steps(folder) if other != step]
        for old in others[: max(0, len(others) - (keep - 1))]:
            path_of(folder, old).unlink(missing_ok=True)
    return path


def write(path: Path, tensors: Mapping[str, np.ndarray], state: Mapping[str, Any]) -> None:
    """Write one checkpoint to `path`. Raises UserError when it cannot be written; a file that was there then stays."""
    dense = {name: np.asarray(tensor, order="C") for name, tensor in tensors.items()}  # the writer reads raw memory
    text = json.dumps(state)
    with atomic_write(path) as partial:
        try:
            save_file(dense, partial, metadata={"state": text, "crc32": _checksum(dense, text)})
        except SafetensorError as error:
            raise OSError(str(error)) from error


def load(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the arrays and the state in a checkpoint.

    Raises UserError when the file is missing, unreadable or no checkpoint, and Broken when it was truncated or changed
    since it was written.
    """
    if not path.is_file():
        raise UserError(f"There is no checkpoint {path}.")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  no mapping
    except PermissionError as error:
        raise UserError(f"The checkpoint {path} could not be read: {error.strerror or error}.") from error
    except (SafetensorError, OSError) as error:
        raise Broken(path, str(error)) from error
    if not {"state", "crc32"} <= metadata.keys():
        raise UserError(f"{path} is a safetensors file, but no checkpoint: it holds no training state.")
    if metadata["crc32"] != _checksum(tensors, metadata["state"]):
        raise Broken(path, "its contents do not match its checksum")
    return tensors, json.loads(metadata["state"])


def load_newest(
    folder: Path, report: Callable[[str], None], *, set_aside: bool = True
) -> tuple[Path, dict[str, np.ndarray], dict[str, Any]] | None:
    """Return the newest checkpoint in `folder` that is not broken, with its arrays and state; None if there are none.

    Broken checkpoints are reported and, with `set_aside`, renamed, so that they no longer count as checkpoints. Raises
    UserError when no other is left, or when one cannot be read at all.
    """
    saved = steps(folder)
    for step in reversed(saved):
        path = path_of(folder, step)
        if not path.is_file():
            continue  # another process trains here, and has removed it since
        try:
            return path, *load(path)
        except Broken as error:
            aside = path.with_name(f"{path.name}.broken")
            if set_aside:
                path.rename(aside)
            where = f"It is set aside as {aside.name}; the" if set_aside else "The"
            report(f"{path} is broken: {error.reason}. {where} one before it is used.")
    if saved and set_aside:
        raise UserError(
            f"Every checkpoint in {folder} was broken; they are set aside. The same command starts again from step 0."
        )
    if saved:
        raise UserError(f"Every checkpoint in {folder} is broken.")
    return None


def check_goes_on(path: Path, state: Mapping[str, Any]) -> None:
    """Raise UserError unless training can continue from `state`, read from `path`; from an average it cannot."""
    if not {"step", "positions", "mixing", "seed"} <= state.keys():
        raise UserError(
            f"{path} holds only weights, so that training cannot continue from it. Move it out of the run, or start "
            f"another run from its weights: --warm_start_from={path} and another --output_dir."
        )


def weights_of(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the weights in a checkpoint as evaluation and decoding use them: averaged where averages were kept.

    An array whose name begins with the name of another array is a slot of it: a moment, an average.
    """
    weights = {
        name: value
        for name, value in tensors.items()
        if not name.startswith("steps/") and name.rpartition("/")[0] not in tensors
    }
    return {name: tensors.get(f"{name}/{AVERAGE}", value) for name, value in weights.items()}


def check_shapes(
    path: Path, tensors: Mapping[str, np.ndarray], wanted: Mapping[str, np.ndarray], *, nothing_else: bool
) -> None:
    """Raise UserError unless `tensors`, read from `path`, has every array of `wanted` in its shape (and no other)."""
    there = {name: tensor.shape for name, tensor in tensors.items()}
    here = {name: tensor.shape for name, tensor in wanted.items()}
    names = here.keys() | there.keys() if nothing_else else here.keys()
    wrong = sorted(name for name in names if there.get(name) != here.get(name))
    if wrong:
        raise UserError(
            f"{path} is of another architecture: {len(wrong)} tensors differ, {wrong[0]} first "
            f"({there.get(wrong[0], 'absent')} there, {here.get(wrong[0], 'absent')} here)."
        )


def _checksum(tensors: Mapping[str, np.ndarray], state: str) -> str:
    value = zlib.crc32(state.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        value = zlib.crc32(f"{name} {tensor.dtype} {tensor.shape}".encode(), value)
        value = zlib.crc32(tensor.reshape(-1).view(np.uint8).data, value)
    return f"{value:08x}"
