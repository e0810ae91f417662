"""A problem in the making: what a call that was stopped left is taken up by the next one, and no two calls mix.

`<problem>.partial/` holds what is being made (`plan.json`), the records and, for each shard that is finished, a note of
what it holds. Renaming `<problem>.partial/records` to `<problem>` is the last act.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2t_mm.data.input.shards import INDEX, Written, lengths_path
from t2t_mm.errors import UserError

PLAN = "plan.json"
RECORDS = "records"
NOTE = ".done"


class Stopped(UserError):
    """The work was stopped from outside; what is finished of it is not wrong, and stays."""


@dataclass(frozen=True)
class ResumableBuild:
    """The folder of a problem in the making, which this process alone works in."""

    folder: Path
    went_on: bool  # whether an earlier call left finished shards of the same plan

    @property
    def records(self) -> Path:
        """Where shards go."""
        return self.folder / RECORDS

    def note(self, shard: str) -> Path:
        """The note of a finished shard."""
        return self.folder / (shard + NOTE)

    def written(self, shard: str) -> Written | None:
        """What a shard holds, once it is finished."""
        whole = (self.records / shard).is_file() and lengths_path(self.records / shard).is_file()
        return Written.noted(self.note(shard)) if whole else None


@contextmanager
def unfinished(folder: Path, plan: Mapping[str, Any]) -> Iterator[ResumableBuild]:
    """Yield the folder in which `folder` is made, as `plan` has it; if all goes well its records become `folder`.

    Shards that an earlier call finished under an equal plan stay; whatever else it left goes. When this call fails,
    nothing stays; when it is interrupted (or killed), the finished shards do.

    Raises UserError when another process is making `folder`, and for what the system refuses: no space, no permission.
    """
    beside = folder.with_name(f"{folder.name}.partial")
    keep = False
    try:
        lock = _claim(beside)
        try:
            if folder.exists():
                raise UserError(f"{folder} was made by another process in the meantime.")
            yield _taken_up(beside, plan)
            (beside / RECORDS).rename(folder)
        except OSError as error:
            raise UserError(f"{folder} can't be written: {error}. {_room(folder)}; nothing of it was kept.") from None
        except (KeyboardInterrupt, SystemExit, BrokenProcessPool, Stopped):
            keep = True
            raise
        finally:
            if not keep:
                shutil.rmtree(beside, ignore_errors=True)
            os.close(lock)
    except OSError as error:
        raise UserError(f"{folder} can't be written: {error}. {_room(folder)}.") from None


def sweep_finished(folder: Path) -> None:
    """Remove what a call left that was killed after `folder` was whole, unless it is at work."""
    beside = folder.with_name(f"{folder.name}.partial")
    if beside.is_dir():
        try:
            lock = _claim(beside)
        except (UserError, OSError):
            return
        shutil.rmtree(beside, ignore_errors=True)
        os.close(lock)


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Wait until no other process is in such a block on the same folder, then keep others waiting."""
    lock = os.open(folder, os.O_RDONLY)
    try:
        _lock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _claim(beside: Path) -> int:
    """Make `beside` if need be and lock it, until the number this gives is closed or the process ends."""
    while True:
        beside.mkdir(parents=True, exist_ok=True)
        lock = os.open(beside, os.O_RDONLY)
        try:
            _lock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            made = beside.with_suffix("")
            raise UserError(f"{made} is being made by another process at this moment; wait for it.") from None
        if beside.exists() and os.path.samestat(os.fstat(lock), beside.stat()):
            return lock
        os.close(lock)  # whoever had it is done and has taken it away


def _lock(handle: int, how: int) -> None:
    try:
        fcntl.flock(handle, how)
    except BlockingIOError:
        raise
    except OSError:  # a file system without locks: the user sees to it that nobody else is at work
        return


def _taken_up(beside: Path, plan: Mapping[str, Any]) -> ResumableBuild:
    """What an earlier call left, cleared of what is not finished, or a fresh start."""
    wanted = json.dumps(plan, indent=1, sort_keys=True)
    path = beside / PLAN
    same = path.is_file() and path.read_text(encoding="utf-8") == wanted
    if not same:
        for left in beside.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        (beside / RECORDS).mkdir()
        path.write_text(wanted, encoding="utf-8")
    here = ResumableBuild(beside, same and any(beside.glob(f"*{NOTE}")))
    here.records.mkdir(exist_ok=True)
    for left in here.records.iterdir():
        if here.written(left.name.removesuffix(INDEX)) is None:
            left.unlink()
    return here


def _room(folder: Path) -> str:
    free = shutil.disk_usage(folder.parent).free if folder.parent.exists() else 0
    return f"{free / 2**20:,.0f} MiB are free there"
