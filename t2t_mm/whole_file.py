"""Writing a file so that it is there whole or not at all, whatever happens meanwhile."""

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
        with TemporaryDirectory(prefix=PARTIAL, dir=path.parent) as beside:
            partial = Path(beside) / path.name
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


def sweep(folder: Path) -> None:
    """Remove what a writer that was killed left half written in `folder`. For folders with one writer at a time."""
    for left in folder.glob(f"{PARTIAL}*"):
        shutil.rmtree(left, ignore_errors=True)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
