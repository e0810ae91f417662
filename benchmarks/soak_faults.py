"""The faults of a soak test: what is done to a run, and what must happen then.

Each fault takes a run that is at work and a random generator, and returns one sentence for each failure. It raises
RunEnded if the run ended before the fault.
"""

import contextlib
import os
import random
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from soak_run import SAVED, RunEnded, RunStuck, SoakRun

from t2t_mm.train import checkpoint

Fault = Callable[[SoakRun, random.Random], list[str]]
FLIP_EVERY = 61  # bytes, so that no record of the shard is spared
LIMIT = 1024  # bytes that a file may have where a limit stands in for a full disk


def kill(run: SoakRun, rng: random.Random) -> list[str]:
    """Send SIGKILL between two checkpoints."""
    wait(run, rng.uniform(0, run.interval))
    return ended(run, signal.SIGKILL, -signal.SIGKILL)


def kill_saving(run: SoakRun, rng: random.Random) -> list[str]:
    """Send SIGKILL while a checkpoint is being written."""
    run.until(run.writing)
    time.sleep(rng.uniform(0, 0.01))
    return ended(run, signal.SIGKILL, -signal.SIGKILL)


def kill_starting(run: SoakRun, rng: random.Random) -> list[str]:
    """Send SIGKILL, and again before the next process has saved anything."""
    wrong = ended(run, signal.SIGKILL, -signal.SIGKILL)
    run.start()
    wait(run, rng.uniform(0, run.seconds_to_save))
    return wrong + ended(run, signal.SIGKILL, -signal.SIGKILL)


def terminate(run: SoakRun, rng: random.Random) -> list[str]:
    """Send SIGTERM: the run must be saved, at any step."""
    wait(run, rng.uniform(0, run.interval))
    before = run.newest
    wrong = ended(run, signal.SIGTERM, SAVED)
    if f"stopped after step {run.newest} and saved" not in run.output() or run.newest < before:
        wrong.append(f"after SIGTERM the newest checkpoint is of step {run.newest}; output: {run.output()[-300:]}")
    return wrong


def break_checkpoint(run: SoakRun, rng: random.Random) -> list[str]:
    """Send SIGKILL and flip a bit in the newest checkpoint: it must be set aside, and the one before used."""
    run.until(lambda: len(run.steps) > 1)
    wrong = ended(run, signal.SIGKILL, -signal.SIGKILL)
    before, newest = run.steps[-2:]
    path = checkpoint.path_of(run.output_dir, newest)
    flip(path, [(rng.randrange(path.stat().st_size), 1 << rng.randrange(8))])
    started = len(run.began_at())
    run.start()
    run.until(lambda: len(run.began_at()) > started)
    if f"{path} is broken" not in run.output() or run.began_at()[-1] != before:
        wrong.append(f"with a broken {path.name} it began at step {run.began_at()[-1]}; output: {run.output()[-300:]}")
    aside = path.with_name(f"{path.name}.broken")
    if not aside.is_file():
        wrong.append(f"{path.name}, broken, was not set aside")
    aside.unlink(missing_ok=True)
    return wrong


def break_records(run: SoakRun, rng: random.Random) -> list[str]:
    """Flip bits all over a shard of training records, then restore them: the process must name the file and end."""
    shard = rng.choice(sorted(run.data_dir.glob("*/train-*.array_record")))
    times, size = shard.stat(), shard.stat().st_size
    places = list(range(size // 10, size - size // 10, FLIP_EVERY))  # its ends hold what is read when it is opened
    bits = [(place, 1 << rng.randrange(8)) for place in places]
    flip(shard, bits)
    try:
        code = run.end()
    finally:
        flip(shard, bits)
        os.utime(shard, ns=(times.st_atime_ns, times.st_mtime_ns))
    if code == 0:
        raise RunEnded
    if code != 1 or str(shard) not in run.output() or "Traceback" in run.output():
        return [f"with {shard} damaged the process ended with {code}; output: {run.output()[-500:]}"]
    return []


@dataclass
class FullDisk:
    """A folder for a run that can be filled: a small tmpfs if one can be mounted.

    Otherwise a limit on the size of the files that a process writes replaces it.
    """

    folder: Path
    mounted: bool = field(init=False, default=False)

    @contextlib.contextmanager
    def there(self, megabytes: int) -> Iterator["FullDisk"]:
        """Mount it, and unmount it in the end."""
        self.folder.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(self.folder)]
        with contextlib.suppress(OSError):
            self.mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
        try:
            yield self
        finally:
            if self.mounted:
                subprocess.run(["umount", str(self.folder)], check=True)

    @property
    def kind(self) -> str:
        return "full disk" if self.mounted else "files that cannot grow"

    def fault(self, run: SoakRun, rng: random.Random) -> list[str]:
        """Fill the disk until a save has failed: the process must report it, continue and save again."""
        wait(run, rng.uniform(0, run.interval))
        good, output = run.newest, run.output()
        with self._full(run):
            try:
                run.until(lambda: failed_to_save(run.output()[len(output) :]))
            except RunStuck:  # it came to its end meanwhile, and had to save
                if "could not be written" in run.output():
                    return []
                raise
        wrong = [] if good in run.steps else [f"the last good checkpoint, {good}, is gone after a full disk"]
        there = run.newest
        run.until(lambda: run.newest != there)
        return wrong

    @contextlib.contextmanager
    def _full(self, run: SoakRun) -> Iterator[None]:
        if not self.mounted:
            before = resource.prlimit(run.process.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(run.process.pid, resource.RLIMIT_FSIZE, (LIMIT, before[1]))
            yield
            if run.at_work:
                resource.prlimit(run.process.pid, resource.RLIMIT_FSIZE, before)
            return
        ballast = self.folder / "ballast"
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(2**20))
        try:
            yield
        finally:
            ballast.unlink()


def failed_to_save(output: str) -> bool:
    """Return True if a process reports that a checkpoint could not be written and that it continues."""
    return any("model.ckpt-" in line and line.rstrip().endswith("Training goes on.") for line in output.splitlines())


def wait(run: SoakRun, seconds: float) -> None:
    """Leave a process alone for `seconds`. Raises RunEnded or RunStuck if it ends before."""
    end = time.monotonic() + seconds
    run.until(lambda: time.monotonic() > end)


def ended(run: SoakRun, number: signal.Signals, expected: int) -> list[str]:
    """Send a signal, wait for the end of the process, and return a failure for an unexpected exit code."""
    run.process.send_signal(number)
    code = run.end()
    if code == 0:
        raise RunEnded
    return [] if code == expected else [f"after {number.name} it ended with {code}: {run.output()[-500:]}"]


def flip(path: Path, bits: list[tuple[int, int]]) -> None:
    """Flip bits, (position of the byte, mask). Flipping twice restores the file."""
    with path.open("r+b") as file:
        content = bytearray(file.read())
        for place, mask in bits:
            content[place] ^= mask
        file.seek(0)
        file.write(content)
