"""Work in a process of its own, which is ended when it takes more memory than it may."""

import multiprocessing
import os
import resource
import signal
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import connection
from pathlib import Path
from typing import Any

SECONDS_BETWEEN_LOOKS = 0.02
PROC = Path("/proc")
CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Ended:
    """How a watched process ended."""

    over: bool  # it took too much memory: it was ended for that, here or by the kernel
    code: int  # of its exit; below 0, the signal that ended it


def watched(
    work: Callable[..., None], arguments: tuple[Any, ...], limit: int | None, hear: Callable[[Any], None]
) -> Ended:
    """Call `work(send, *arguments)` in a new process; `hear` gets what it sends, one after the other.

    Args:
        work: a function of a module, which the process imports.
        limit: bytes of memory that the process may hold; None watches nothing.
    """
    spawn = multiprocessing.get_context("spawn")  # TensorFlow and its threads do not survive a fork
    receiver, sender = spawn.Pipe(duplex=False)
    process = spawn.Process(target=_begin, args=(work, sender, arguments), daemon=True)
    process.start()
    sender.close()
    over = False
    try:
        while process.is_alive() or receiver.poll():
            if receiver in connection.wait([receiver, process.sentinel], SECONDS_BETWEEN_LOOKS):
                try:
                    hear(receiver.recv())
                except EOFError:
                    process.join()
                    break
            if limit is not None and not over and held(process.pid) > limit:
                over = True
                process.kill()
        process.join()
    finally:
        process.kill()
        process.join()
        receiver.close()
    code = process.exitcode or 0
    return Ended(over or code == -signal.SIGKILL, code)


def held(pid: int | None = None, what: str = "VmRSS") -> int:
    """Bytes that a process (None: this one) holds now, or with "VmHWM" held at most; 0 if it is gone."""
    try:
        lines = (PROC / str(pid or "self") / "status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{what}:")), 0)


def peak() -> int:
    """Bytes that this process held at most since `forget_peak`, where the system knows it, or since it began."""
    return held(what="VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def forget_peak() -> None:
    """Let `peak` count from now on."""
    try:
        (PROC / "self" / "clear_refs").write_text("5")  # proc(5): resets VmHWM
    except OSError:
        return


def available() -> int | None:
    """Bytes that a new process may hold: what the machine has left, or the container; None where neither tells."""
    try:
        lines = (PROC / "meminfo").read_text().splitlines()
    except OSError:
        return None
    machine = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    return min([*machine, *_container()], default=None)


def _container() -> list[int]:
    """What is left of the memory of the control group that the process stands in, if that has a limit."""
    versions = (("", "memory.max", "memory.current"), ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes"))
    for folder, most, now in versions:
        here = CGROUP / folder
        try:
            limit, used = (here / most).read_text().strip(), int((here / now).read_text())
            kept = [line.split() for line in (here / "memory.stat").read_text().splitlines()]
        except OSError:
            continue
        given_back = sum(int(value) for name, value in kept if name == "inactive_file")  # pages of files, if need be
        return [] if limit == "max" else [int(limit) - used + given_back]
    return []


def _begin(work: Callable[..., None], sender: Any, arguments: tuple[Any, ...]) -> None:
    """What the process does first: libraries greet in silence, and if memory runs out, this process goes first."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    try:
        (PROC / "self" / "oom_score_adj").write_text("1000")
    except OSError:
        pass
    work(sender.send, *arguments)
