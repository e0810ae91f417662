"""Find the divergence of two runs: the first step at which they differ, to the last bit.

The run directories are compared: `config.json`, the losses in `log.jsonl`, and the checkpoints of the steps that both
runs saved. Training is a function of the content of a checkpoint, so runs that have diverged stay different. Therefore
a binary search finds the first checkpoints that differ by reading few of them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from t2t_mm.errors import UserError
from t2t_mm.run_directory import CONFIG
from t2t_mm.train import checkpoint

LOG = "log.jsonl"
INCIDENTAL = ("command_line",)  # entries of config.json that are not compared: the others have its settings

Losses = Mapping[str, float]  # nats per target token, by problem
Window = tuple[int, int]  # first and last of the steps that a line in the log is about


@dataclass(frozen=True)
class Divergence:
    """The divergence of two runs. Steps count from 1; None if nothing differs or nothing can be compared."""

    settings: list[str] | None  # differences of the runs' config.json, a line each; None: they can't be read
    windows: int  # number of lines of the two logs that are about the same steps
    losses: Window | None  # the steps of the first such line whose losses differ
    log: list[str]  # the differences of that line
    steps: int  # number of steps with a checkpoint in both runs, without those that could not be read
    equal: int | None  # the last such step at which the runs are equal
    different: int | None  # the first such step at which the runs differ
    checkpoint: list[str]  # the differences there: a line for each tensor and each part of the state
    unread: list[str]  # a sentence for each thing that could not be read and was not compared

    @property
    def same(self) -> bool:
        """True if neither the losses nor the checkpoints differ."""
        return self.losses is None and self.different is None


def find_divergence(first: Path, second: Path) -> Divergence:
    """Return the divergence of the runs in two run directories, as far as they can be read.

    Raises UserError for a folder without a run, and for two runs that have neither log lines nor checkpoints of the
    same steps, or none that can be read.
    """
    unread: list[str] = []
    configs = [_config(run, unread) for run in (first, second)]
    settings = None if unread else _settings(*configs)
    ones, others = windows(first / LOG, unread), windows(second / LOG, unread)
    common = sorted(ones.keys() & others.keys(), key=lambda window: (window[1], window[0]))
    diverged = next((window for window in common if _changes(ones[window], others[window])), None)
    log = [] if diverged is None else _changes(ones[diverged], others[diverged])
    steps = sorted(set(checkpoint.steps(first)) & set(checkpoint.steps(second)))
    if not (common or steps):
        raise UserError(f"{first} and {second} have no step in common: neither a checkpoint nor a line in their logs.")
    equal, different, lines = _bisect(first, second, steps, unread)
    if not (common or steps):
        raise UserError(f"{first} and {second} have nothing of the same steps that can be read. {' '.join(unread)}")
    return Divergence(settings, len(common), diverged, log, len(steps), equal, different, lines, unread)


def differences(
    first: tuple[Mapping[str, np.ndarray], Mapping[str, Any]],
    second: tuple[Mapping[str, np.ndarray], Mapping[str, Any]],
) -> list[str]:
    """Return the differences of two checkpoints as read by `checkpoint.load`, a line each; bits count, not values."""
    lines = []
    for name in sorted(first[0].keys() | second[0].keys()):
        one, other = first[0].get(name), second[0].get(name)
        if one is None or other is None:
            lines.append(f"{name}: only in the {'second' if one is None else 'first'}")
        elif (one.dtype, one.shape) != (other.dtype, other.shape):
            lines.append(f"{name}: {one.dtype}{list(one.shape)} and {other.dtype}{list(other.shape)}")
        elif places := _differing(one, other):
            lines.append(f"{name}: {places}")
    return lines + [f"state {line}" for line in _changes(first[1], second[1])]


def windows(log: Path, unread: list[str]) -> dict[Window, Losses]:
    """Return the mean losses in a run's log by the steps that they are about; for steps taken again, the later ones.

    The dictionary is empty without a log. Lines that a trainer did not write, such as one cut short when a process was
    killed, are skipped; a sentence that says how many is added to `unread`.
    """
    losses_by_window: dict[Window, Losses] = {}
    last = odd = 0  # `last`: the last step before those of the next line
    for line in log.read_bytes().splitlines() if log.is_file() else ():
        try:
            content = json.loads(line)
            if content["kind"] == "start":
                last = _step(content)
            elif content["kind"] == "training":
                step, losses = _step(content), dict(content["loss"])
                losses_by_window[last + 1, step] = losses
                last = step
        except (ValueError, KeyError, TypeError):
            odd += 1
    if odd:
        lines, were = ("line", "was") if odd == 1 else ("lines", "were")
        unread.append(f"{odd:,} {lines} of {log} can't be read and {were} skipped.")
    return losses_by_window


def _step(content: Mapping[str, Any]) -> int:
    if type(content["step"]) is not int:
        raise TypeError("no step")
    return int(content["step"])


def _bisect(first: Path, second: Path, steps: list[int], unread: list[str]) -> tuple[int | None, int | None, list[str]]:
    """Return the last of `steps` at which two runs are equal, the first at which they differ, and its differences.

    Steps whose checkpoints can't be read are removed from `steps`; a sentence about each is added to `unread`.
    """
    low, high = -1, len(steps)  # equal at `low`, different at `high`
    lines: list[str] = []
    while low + 1 < high:
        middle = high - 1 if high == len(steps) else (low + high) // 2  # the last first: equal runs are read once
        try:
            here = differences(*(checkpoint.load(checkpoint.path_of(run, steps[middle])) for run in (first, second)))
        except UserError as error:
            unread.append(str(error))
            del steps[middle]
            high -= 1
            continue
        if here:
            high, lines = middle, here
        else:
            low = middle
    return (steps[low] if low >= 0 else None), (steps[high] if high < len(steps) else None), lines


def _differing(one: np.ndarray, other: np.ndarray) -> str:
    """Return a description of the places at which two arrays of one shape and type differ; "" if there are none."""
    size = max(1, one.dtype.itemsize)
    bytes_one, bytes_other = (np.ascontiguousarray(each).reshape(-1).view(np.uint8) for each in (one, other))
    places = np.flatnonzero((bytes_one != bytes_other).reshape(-1, size).any(axis=1))
    if not len(places):
        return ""
    at = tuple(int(index) for index in np.unravel_index(places[0], one.shape))
    with np.errstate(all="ignore"):
        greatest = np.max(np.abs(one.astype(np.float64) - other.astype(np.float64)))
    return (
        f"{len(places):,} of {one.size:,} numbers differ, by {greatest:.3g} at most; the first at {list(at)}: "
        f"{one[at]!s} and {other[at]!s}"
    )


def _settings(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    one, other = ({name: each[name] for name in each if name not in INCIDENTAL} for each in (first, second))
    return _changes(one, other)


def _changes(first: Any, second: Any, name: str = "") -> list[str]:
    """Return the differences of two JSON values, a line each; NaN is equal to NaN."""
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        keys = [*first, *(key for key in second if key not in first)]
        below = (_changes(first.get(key), second.get(key), f"{name}.{key}".lstrip(".")) for key in keys)
        return [line for lines in below for line in lines]
    return [] if json.dumps(first) == json.dumps(second) else [f"{name}: {json.dumps(first)} and {json.dumps(second)}"]


def _config(run: Path, unread: list[str]) -> dict[str, Any]:
    try:
        config = json.loads((run / CONFIG).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"There is no run in {run}: it has no {CONFIG}.") from None
    except (OSError, ValueError) as error:
        unread.append(f"{run / CONFIG} cannot be read: {str(error).rstrip('.')}.")
        return {}
    if not isinstance(config, dict):
        unread.append(f"{run / CONFIG} contains {json.dumps(config)[:20]}, which is not what a trainer writes.")
        return {}
    return config
