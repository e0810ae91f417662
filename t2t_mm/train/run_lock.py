"""One process trains in a run directory at a time.

The lock is the operating system's, on the open file `lock` of the run directory: it ends with the process that holds
it, however that ends. What the file says tells a second process who the first one is.
"""

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from t2t_mm.errors import UserError

NAME = "lock"


@contextmanager
def run_lock(output_dir: Path) -> Iterator[None]:
    """Hold the lock of `output_dir`, which is made if it is missing.

    Raises UserError, which names the process that holds it, when it is held already, and when it cannot be made.
    """
    folder = output_dir.resolve()
    handle = _open(folder)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"Another process is training in {output_dir}: {_holder(handle)}. Wait for its end, or stop it (it "
                "saves when it gets SIGTERM); or choose another --output_dir."
            ) from None
        except OSError:  # a file system without locks
            pass
        _sign(handle)
        yield
    finally:
        os.close(handle)  # and with it the lock goes


def _open(folder: Path) -> int:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return os.open(folder / NAME, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise UserError(f"{folder} cannot be written to: {error.strerror}. Choose another --output_dir.") from error


def _sign(handle: int) -> None:
    holder = {"process": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
    try:
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(holder).encode(), 0)
    except OSError:  # a full disk: the lock holds without a name
        pass


def _holder(handle: int) -> str:
    try:
        holder = json.loads(os.pread(handle, 1000, 0))
        return f"process {holder['process']} on {holder['host']}, since {holder['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "it left no name"
