"""Atomic writes: a file is there complete or not at all, even if the process is killed while it writes."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from t2t_mm.errors import UserError

PARTIAL = ".partial-"  # start of the name of a folder that holds a partial write


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a path to write to; if the block ends without an error, flush the file and rename it to `path`.

    The file is written in a folder beside `path`, so that renaming it is one atomic operation of the file system. That
    folder is removed in any case. A file that is already at `path` stays until the renaming. Raises UserError if the
    disk is full or the folder is not writable.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial_folder(path.parent) as beside:
            partial = beside / path.name
            partial.touch()
            mode = partial.stat().st_mode  # as the user's umask says; some writers restrict it to the owner
            yield partial
            partial.chmod(mode)
            _flush(partial)
            os.replace(partial, path)
        _flush(path.parent)
    except OSError as error:
        raise UserError(
            f"{path} could not be written: {error.strerror or error}. "
            "Free some space or choose a writable folder. The file that was there before is unchanged."
        ) from error


@contextmanager
def partial_folder(folder: Path) -> Iterator[Path]:
    """Yield a new folder inside `folder` for a partial write, and remove it in any case.

    `sweep` does not remove it while this process holds it.
    """
    while True:
        with TemporaryDirectory(prefix=PARTIAL, dir=folder) as beside:
            try:
                handle = os.open(beside, os.O_RDONLY)
            except FileNotFoundError:  # removed by `sweep` before it could be locked
                continue
            try:
                _lock(handle, fcntl.LOCK_SH)
                if os.path.isdir(beside):
                    yield Path(beside)
                    return
            finally:
                os.close(handle)  # this also releases the lock


def sweep(folder: Path) -> None:
    """Remove the partial files that killed writers left in `folder`, and none that is still being written."""
    for left in folder.glob(f"{PARTIAL}*"):
        try:
            handle = os.open(left, os.O_RDONLY)
        except OSError:  # already removed
            continue
        try:
            if _lock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB):
                shutil.rmtree(left, ignore_errors=True)
        finally:
            os.close(handle)


def _lock(handle: int, kind: int) -> bool:
    """Take the operating system's lock, which ends with the process; return False if another process holds it."""
    try:
        fcntl.flock(handle, kind)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        pass
    return True


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
