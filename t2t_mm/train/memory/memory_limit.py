"""Run a function in a process of its own, which is killed when it takes more memory than a limit."""

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
    """The end of a process that was watched."""

    over: bool  # it was killed because it took too much memory, here or by the kernel
    code: int  # the exit code; below 0, the signal that ended it


def watched(
    work: Callable[..., None], arguments: tuple[Any, ...], limit: int | None, hear: Callable[[Any], None]
) -> Ended:
    """Call `work(send, *arguments)` in a new process; kill it when it takes more memory than `limit`.

    Args:
        work: a function of a module that the process can import.
        arguments: its other arguments.
        limit: bytes of memory that the process may hold; None sets no limit.
        hear: called with each object that `work` sends, in order.
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
            if limit is not None and not over and process_memory(process.pid) > limit:
                over = True
                process.kill()
        process.join()
    finally:
        process.kill()
        process.join()
        receiver.close()
    code = process.exitcode or 0
    return Ended(over or code == -signal.SIGKILL, code)


def process_memory(pid: int | None = None, what: str = "VmRSS") -> int:
    """Return the bytes of memory that a process holds now, or with "VmHWM" its peak; 0 if it has ended.

    `pid` None is this process. `what` is a field of /proc/<pid>/status (proc(5)).
    """
    try:
        lines = (PROC / str(pid or "self") / "status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{what}:")), 0)


def peak() -> int:
    """Return this process's peak memory in bytes since `reset_peak`; since its start if the system can't reset it."""
    return process_memory(what="VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def reset_peak() -> None:
    """Reset the peak that `peak` returns."""
    try:
        (PROC / "self" / "clear_refs").write_text("5")  # proc(5): resets VmHWM
    except OSError:
        return


def available() -> int | None:
    """Return the bytes of memory that a new process may take: those available on the machine or in the container.

    None if neither is known.
    """
    try:
        lines = (PROC / "meminfo").read_text().splitlines()
    except OSError:
        return None
    machine = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    return min([*machine, *_container()], default=None)


def _container() -> list[int]:
    """Return the memory that is left in this process's control group; an empty list if it has no limit."""
    versions = (("", "memory.max", "memory.current"), ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes"))
    for folder, most, now in versions:
        here = CGROUP / folder
        try:
            limit, used = (here / most).read_text().strip(), int((here / now).read_text())
            statistics = [line.split() for line in (here / "memory.stat").read_text().splitlines()]
        except OSError:
            continue
        # pages of files that the kernel can drop when memory is needed
        reclaimable = sum(int(value) for name, value in statistics if name == "inactive_file")
        return [] if limit == "max" else [int(limit) - used + reclaimable]
    return []


def _begin(work: Callable[..., None], sender: Any, arguments: tuple[Any, ...]) -> None:
    """Run `work` in the new process, without messages of libraries; if memory runs out, the kernel kills it first."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    try:
        (PROC / "self" / "oom_score_adj").write_text("1000")
    except OSError:
        pass
    work(sender.send, *arguments)
