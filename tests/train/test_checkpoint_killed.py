"""Checkpoints after a kill between any two system calls of a save, and after a loss of power at any moment of it."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from t2t_mm.train import checkpoint

KILLER = """
import ctypes, os, signal, sys
from pathlib import Path
import numpy as np
from t2t_mm.train import checkpoint

TRACEME, SYSCALL = 0, 24
trace = ctypes.CDLL(None).ptrace
trace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]

def begin(folder):
    '''A child that stands before its save of step 2; every second time that it stops is before a system call.'''
    child = os.fork()
    if child == 0:
        if trace(TRACEME, 0, None, None):
            os._exit(77)
        os.kill(os.getpid(), signal.SIGSTOP)
        checkpoint.save(folder, 2, {"a": np.full(3000, 2.0)}, {"step": 2}, keep=1)
        os._exit(0)
    return child, os.waitpid(child, 0)[1]

def save_of(step, folder):
    checkpoint.save(folder, step, {"a": np.full(3000, float(step))}, {"step": step}, keep=1)

calls, found, over = 0, [], False
while not over:
    folder = Path(sys.argv[1]) / str(calls)
    save_of(1, folder)
    child, status = begin(folder)
    if os.WIFEXITED(status):
        sys.exit(os.WEXITSTATUS(status))
    for _ in range(2 * calls + 1):
        trace(SYSCALL, child, None, None)
        status = os.waitpid(child, 0)[1]
        over = os.WIFEXITED(status)
        if over:
            break
    if not over:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    path, tensors, state = checkpoint.load_newest(folder, print)
    if (tensors["a"] != state["step"]).any():
        sys.exit(f"torn after {calls} calls")
    found.append(state["step"])
    save_of(3, folder)
    if os.listdir(folder) != ["model.ckpt-3.safetensors"]:
        sys.exit(f"after {calls} calls there is left {os.listdir(folder)}")
    calls += 1
print(calls, *found)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ptrace(2) is Linux's")
def test_killed_before_any_system_call_of_a_save_the_old_checkpoint_or_the_new_one_is_whole(tmp_path):
    done = subprocess.run([sys.executable, "-c", KILLER, str(tmp_path)], capture_output=True, text=True, timeout=300)
    if done.returncode == 77:
        pytest.skip("no process may be traced here")
    assert done.returncode == 0, done.stdout + done.stderr
    calls, *found = map(int, done.stdout.split())
    assert calls == len(found) > 20
    assert found == sorted(found) and set(found) == {1, 2}  # the old one up to some call, then the new one


class Disk:
    """What a disk is sure to hold: contents that were flushed, and names in folders that were flushed.

    Of names given or taken since then, any may have reached it, in any order; a file that was not flushed is empty.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.names = {path.name: path.read_bytes() for path in folder.iterdir()}
        self.pending: list[tuple[str, bytes | None]] = []  # a name and what it stands for; None: it was taken away
        self.states: list[dict[str, bytes]] = []  # in which the folder may be found
        self._flushed: dict[Path, bytes] = {}
        fsync, replace, unlink = os.fsync, os.replace, Path.unlink

        def flushing(handle: int) -> None:
            fsync(handle)
            path = Path(os.readlink(f"/proc/self/fd/{handle}"))
            if path == folder:
                self.names = self._after(self.pending)
                self.pending = []
            elif path.is_file():
                self._flushed[path] = path.read_bytes()
            self._look()

        def renaming(source: Path, target: Path) -> None:
            replace(source, target)
            self.pending.append((Path(target).name, self._flushed.get(Path(source), b"")))
            self._look()

        def removing(path: Path, missing_ok: bool = False) -> None:
            unlink(path, missing_ok)
            if path.parent == folder:
                self.pending.append((path.name, None))
            self._look()

        monkeypatch.setattr(os, "fsync", flushing)
        monkeypatch.setattr(os, "replace", renaming)
        monkeypatch.setattr(Path, "unlink", removing)

    def _after(self, changes: list[tuple[str, bytes | None]]) -> dict[str, bytes]:
        names = dict(self.names)
        for name, content in changes:
            names.pop(name, None)
            if content is not None:
                names[name] = content
        return names

    def now(self) -> list[dict[str, bytes]]:
        """The states in which the folder may be found if power goes now."""
        some = (itertools.combinations(self.pending, count) for count in range(len(self.pending) + 1))
        return [self._after(list(changes)) for changes in itertools.chain(*some)]

    def _look(self) -> None:
        self.states += self.now()


@pytest.mark.skipif(sys.platform != "linux", reason="what a handle stands for is read from /proc")
@pytest.mark.parametrize("keep", [1, 2])
def test_without_power_at_any_moment_of_a_save_a_whole_checkpoint_is_on_the_disk(tmp_path, monkeypatch, keep):
    folder = tmp_path / "run"
    for step in (1, 2):
        checkpoint.save(folder, step, {"a": np.full(30, float(step))}, {"step": step}, keep=2)
    with monkeypatch.context() as patch:
        disk = Disk(folder, patch)
        checkpoint.save(folder, 3, {"a": np.full(30, 3.0)}, {"step": 3}, keep=keep)
    found = set()
    for number, state in enumerate(disk.states):
        after = tmp_path / str(number)
        after.mkdir()
        for name, content in state.items():
            (after / name).write_bytes(content)
        newest = checkpoint.load_newest(after, pytest.fail)
        assert newest is not None and (newest[1]["a"] == newest[2]["step"]).all()
        found.add(newest[2]["step"])
    assert found == {2, 3} and len(disk.states) > 5
    assert all("model.ckpt-3.safetensors" in state for state in disk.now())  # once it is said to be saved
