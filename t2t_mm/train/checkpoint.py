"""Checkpoints: one safetensors file each, `model.ckpt-<step>.safetensors`, of named arrays and a JSON state.

The file's metadata hold the state and a checksum over both, verified on load. No pickles; every safetensors reader
opens it.
"""

import json
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from t2t_mm.errors import UserError
from t2t_mm.whole_file import sweep, whole_file

NAME = re.compile(r"model\.ckpt-(\d+)\.safetensors")


def path_of(folder: Path, step: int) -> Path:
    """Where the checkpoint of `step` stands in `folder`."""
    return folder / f"model.ckpt-{step}.safetensors"


def steps(folder: Path) -> list[int]:
    """The steps of which `folder` holds a checkpoint, rising; empty for a folder that does not exist."""
    if not folder.is_dir():
        return []
    names = (NAME.fullmatch(path.name) for path in folder.iterdir())
    return sorted(int(name.group(1)) for name in names if name)


def latest(folder: Path) -> Path | None:
    """The checkpoint with the most steps, None when there is none."""
    found = steps(folder)
    return path_of(folder, found[-1]) if found else None


def save(folder: Path, step: int, tensors: Mapping[str, np.ndarray], state: Mapping[str, Any], keep: int) -> Path:
    """Write the checkpoint of `step`, then remove all but the newest `keep`, never the one just written.

    Args:
        tensors: arrays of any shape by name; they are written from where they lie, without a copy.
        state: what JSON can hold; floats come back to the last bit.
        keep: how many checkpoints may stay; 0 removes none.

    Returns the file's path. Raises UserError when it cannot be written; earlier checkpoints are then untouched.
    """
    dense = {name: np.asarray(tensor, order="C") for name, tensor in tensors.items()}  # the writer reads raw memory
    text = json.dumps(state)
    path = path_of(folder, step)
    if folder.is_dir():
        sweep(folder)
    with whole_file(path) as partial:
        try:
            save_file(dense, partial, metadata={"state": text, "crc32": _checksum(dense, text)})
        except SafetensorError as error:
            raise OSError(str(error)) from error
    if keep > 0:
        others = [other for other in steps(folder) if other != step]
        for old in others[: max(0, len(others) - (keep - 1))]:
            path_of(folder, old).unlink(missing_ok=True)
    return path


def load(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and the state in a checkpoint.

    Raises UserError naming the file when it is missing, cut short, changed since it was written, or something else.
    """
    if not path.is_file():
        raise UserError(f"There is no checkpoint {path}.")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  no mapping
    except (SafetensorError, OSError) as error:
        raise _broken(path, str(error)) from error
    if not {"state", "crc32"} <= metadata.keys():
        raise UserError(f"{path} is a safetensors file, but no checkpoint: it holds no training state.")
    if metadata["crc32"] != _checksum(tensors, metadata["state"]):
        raise _broken(path, "its contents do not match its checksum")
    return tensors, json.loads(metadata["state"])


def check_shapes(
    path: Path, found: Mapping[str, np.ndarray], wanted: Mapping[str, np.ndarray], *, nothing_else: bool
) -> None:
    """Raise UserError unless `found`, read from `path`, has every array of `wanted` in its shape (and no other)."""
    there = {name: tensor.shape for name, tensor in found.items()}
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


def _broken(path: Path, reason: str) -> UserError:
    earlier = [step for step in steps(path.parent) if path_of(path.parent, step) != path]
    remedy = f"Remove it to go on from {path_of(path.parent, earlier[-1]).name}." if earlier else "There is no other."
    return UserError(f"The checkpoint {path} is broken: {reason}. {remedy}")
