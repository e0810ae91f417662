"""Writing a file so that it is there whole or not at all, whatever happens meanwhile."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from t2t_mm.errors import UserError

PARTIAL = ".partial-"  # how the name of a folder begins in which something is half written


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a path to write to; when the block ends well, what stands there is flushed and takes the name `path`.

    It is written in a folder beside `path`, so that the renaming is one act of the file system, and the folder goes
    in any case. A file already at `path` stays until then. Raises UserError when the disk is full or not writable.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with half_written(path.parent) as beside:
            partial = beside / path.name
            partial.touch()
            mode = partial.stat().st_mode  # what the user's umask grants; some writers restrict it to the owner
            yield partial
            partial.chmod(mode)
            _flush(partial)
            os.replace(partial, path)
        _flush(path.parent)
    except OSError as error:
        raise UserError(
            f"{path} could not be written: {error.strerror or error}. "
            "Free some space or choose a folder that can be written to; what was there before is untouched."
        ) from error


@contextmanager
def half_written(folder: Path) -> Iterator[Path]:
    """A new folder in `folder` to write in, which goes in any case; a `sweep` meanwhile leaves it alone."""
    while True:
        with TemporaryDirectory(prefix=PARTIAL, dir=folder) as beside:
            try:
                handle = os.open(beside, os.O_RDONLY)
            except FileNotFoundError:  # swept before it could be locked
                continue
            try:
                _lock(handle, fcntl.LOCK_SH)
                if os.path.isdir(beside):
                    yield Path(beside)
                    return
            finally:
                os.close(handle)  # and with it the lock goes


def sweep(folder: Path) -> None:
    """Remove what writers that were killed left half written in `folder`, and nothing that is still being written."""
    for left in folder.glob(f"{PARTIAL}*"):
        try:
            handle = os.open(left, os.O_RDONLY)
        except OSError:  # gone meanwhile
            continue
        try:
            if _lock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB):
                shutil.rmtree(left, ignore_errors=True)
        finally:
            os.close(handle)


def _lock(handle: int, kind: int) -> bool:
    """Take the operating system's lock, which ends with the process; False if another one has it."""
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
