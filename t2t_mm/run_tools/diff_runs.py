"""Where two runs part: the first step at which they are not the same any more, to the last bit.

What a run left behind is compared: `config.json`, the losses in `log.jsonl`, and the checkpoints of the steps that both
saved. Training is a function of what a checkpoint holds, so runs that have parted stay apart, and a search that halves
what is left finds the first checkpoints that differ by reading few of them.
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
INCIDENTAL = ("command_line",)  # of config.json: what it asked for stands in the rest

Losses = Mapping[str, float]  # nats per target token, by problem
Window = tuple[int, int]  # the steps of a line in the log, first and last


@dataclass(frozen=True)
class Divergence:
    """Where two runs part. Steps count from 1; None where nothing differs or nothing can be compared."""

    settings: list[str] | None  # what differs between the runs' config.json, a line each; None: they can't be read
    windows: int  # lines of the two logs that are of the same steps
    losses: Window | None  # the steps of the first such line whose losses differ
    log: list[str]  # what differs there
    steps: int  # how many steps have a checkpoint in both runs that can be read, as far as they were
    equal: int | None  # the last one at which they are equal
    different: int | None  # the first one at which they differ
    checkpoint: list[str]  # what differs there: a line for each tensor and each part of the state
    unread: list[str]  # what could not be read, and so was not compared, a sentence each

    @property
    def same(self) -> bool:
        """Whether nothing that the runs did differs."""
        return self.losses is None and self.different is None


def parting(first: Path, second: Path) -> Divergence:
    """Where the runs in two run directories part, by what of them can be read.

    Raises UserError for a folder without a run, and two runs that have neither lines of the log nor checkpoints of the
    same steps, or none that can be read.
    """
    unread: list[str] = []
    configs = [_config(run, unread) for run in (first, second)]
    settings = None if unread else _settings(*configs)
    ones, others = windows(first / LOG, unread), windows(second / LOG, unread)
    common = sorted(ones.keys() & others.keys(), key=lambda window: (window[1], window[0]))
    parted = next((window for window in common if _changes(ones[window], others[window])), None)
    log = [] if parted is None else _changes(ones[parted], others[parted])
    steps = sorted(set(checkpoint.steps(first)) & set(checkpoint.steps(second)))
    if not (common or steps):
        raise UserError(f"{first} and {second} have no step in common: neither a checkpoint nor a line in their logs.")
    equal, different, found = _bisect(first, second, steps, unread)
    if not (common or steps):
        raise UserError(f"{first} and {second} hold nothing of the same steps that can be read. {' '.join(unread)}")
    return Divergence(settings, len(common), parted, log, len(steps), equal, different, found, unread)


def differences(
    first: tuple[Mapping[str, np.ndarray], Mapping[str, Any]],
    second: tuple[Mapping[str, np.ndarray], Mapping[str, Any]],
) -> list[str]:
    """What differs between two checkpoints as `checkpoint.load` gives them, a line each; bits count, not values."""
    found = []
    for name in sorted(first[0].keys() | second[0].keys()):
        one, other = first[0].get(name), second[0].get(name)
        if one is None or other is None:
            found.append(f"{name}: only in the {'second' if one is None else 'first'}")
        elif (one.dtype, one.shape) != (other.dtype, other.shape):
            found.append(f"{name}: {one.dtype}{list(one.shape)} and {other.dtype}{list(other.shape)}")
        elif places := _differing(one, other):
            found.append(f"{name}: {places}")
    return found + [f"state {line}" for line in _changes(first[1], second[1])]


def windows(log: Path, unread: list[str]) -> dict[Window, Losses]:
    """The losses in a run's log by the steps that they are the means of; of steps taken again, the later ones.

    Empty without a log. Lines that are no trainer's, as one cut short by a process that was killed, are passed over;
    `unread` gets a sentence that says how many.
    """
    found: dict[Window, Losses] = {}
    behind = odd = 0  # the step that the next line begins behind
    for line in log.read_bytes().splitlines() if log.is_file() else ():
        try:
            content = json.loads(line)
            if content["kind"] == "start":
                behind = _step(content)
            elif content["kind"] == "training":
                step, losses = _step(content), dict(content["loss"])
                found[behind + 1, step] = losses
                behind = step
        except (ValueError, KeyError, TypeError):
            odd += 1
    if odd:
        lines, were = ("line", "was") if odd == 1 else ("lines", "were")
        unread.append(f"{odd:,} {lines} of {log} can't be read, and so {were} passed over.")
    return found


def _step(content: Mapping[str, Any]) -> int:
    if type(content["step"]) is not int:
        raise TypeError("no step")
    return int(content["step"])


def _bisect(first: Path, second: Path, steps: list[int], unread: list[str]) -> tuple[int | None, int | None, list[str]]:
    """The last of `steps` at which two runs are equal, the first at which they differ, and what differs there.

    Steps of which a checkpoint can't be read are taken out of `steps`, and told to `unread`.
    """
    low, high = -1, len(steps)  # equal at `low`, different at `high`
    found: list[str] = []
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
            high, found = middle, here
        else:
            low = middle
    return (steps[low] if low >= 0 else None), (steps[high] if high < len(steps) else None), found


def _differing(one: np.ndarray, other: np.ndarray) -> str:
    """In how many places two arrays of one shape and type differ, and how; "" if in none."""
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
    """What differs between two things that JSON can hold, a line each; NaN is equal to NaN."""
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        keys = [*first, *(key for key in second if key not in first)]
        below = (_changes(first.get(key), second.get(key), f"{name}.{key}".lstrip(".")) for key in keys)
        return [line for lines in below for line in lines]
    return [] if json.dumps(first) == json.dumps(second) else [f"{name}: {json.dumps(first)} and {json.dumps(second)}"]


def _config(run: Path, unread: list[str]) -> dict[str, Any]:
    try:
        found = json.loads((run / CONFIG).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"There is no run in {run}: it has no {CONFIG}.") from None
    except (OSError, ValueError) as error:
        unread.append(f"{run / CONFIG} cannot be read: {str(error).rstrip('.')}.")
        return {}
    if not isinstance(found, dict):
        unread.append(f"{run / CONFIG} holds {json.dumps(found)[:20]}, and not what a trainer writes.")
        return {}
    return found
