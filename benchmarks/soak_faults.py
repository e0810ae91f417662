"""The faults of a soak: what is done to a run, and what must come of it.

Each fault takes a run that is at work and a generator of chance, and returns what was not as it should be, a sentence
each. It raises Over when the run ended before it came to it.
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

from soak_run import SAVED, Over, SoakRun, Stuck

from t2t_mm.train import checkpoint

Fault = Callable[[SoakRun, random.Random], list[str]]
FLIP_EVERY = 61  # bytes, so that no record of the shard is spared
LIMIT = 1024  # bytes that a file may have where a limit stands in for a full disk


def kill(run: SoakRun, chance: random.Random) -> list[str]:
    """SIGKILL between two checkpoints."""
    wait(run, chance.uniform(0, run.interval))
    return ended(run, signal.SIGKILL, -signal.SIGKILL)


def kill_saving(run: SoakRun, chance: random.Random) -> list[str]:
    """SIGKILL while a checkpoint is being written."""
    run.until(run.writing)
    time.sleep(chance.uniform(0, 0.01))
    return ended(run, signal.SIGKILL, -signal.SIGKILL)


def kill_starting(run: SoakRun, chance: random.Random) -> list[str]:
    """SIGKILL, and again before the next process has saved anything."""
    wrong = ended(run, signal.SIGKILL, -signal.SIGKILL)
    run.start()
    wait(run, chance.uniform(0, run.seconds_to_save))
    return wrong + ended(run, signal.SIGKILL, -signal.SIGKILL)


def terminate(run: SoakRun, chance: random.Random) -> list[str]:
    """SIGTERM: the run is saved, whatever step it has come to."""
    wait(run, chance.uniform(0, run.interval))
    before = run.newest
    wrong = ended(run, signal.SIGTERM, SAVED)
    if f"stopped after step {run.newest} and saved" not in run.said() or run.newest < before:
        wrong.append(f"after SIGTERM the newest checkpoint is of step {run.newest}, and it said: {run.said()[-300:]}")
    return wrong


def break_checkpoint(run: SoakRun, chance: random.Random) -> list[str]:
    """SIGKILL and a flipped bit in the newest checkpoint: it is set aside, and the one before is used."""
    run.until(lambda: len(run.steps) > 1)
    wrong = ended(run, signal.SIGKILL, -signal.SIGKILL)
    before, newest = run.steps[-2:]
    path = checkpoint.path_of(run.output_dir, newest)
    flip(path, [(chance.randrange(path.stat().st_size), 1 << chance.randrange(8))])
    started = len(run.began_at())
    run.start()
    run.until(lambda: len(run.began_at()) > started)
    if f"{path} is broken" not in run.said() or run.began_at()[-1] != before:
        wrong.append(f"of {path.name}, broken, it said: {run.said()[-300:]}, and began at step {run.began_at()[-1]}")
    aside = path.with_name(f"{path.name}.broken")
    if not aside.is_file():
        wrong.append(f"{path.name}, broken, was not set aside")
    aside.unlink(missing_ok=True)
    return wrong


def break_records(run: SoakRun, chance: random.Random) -> list[str]:
    """Flipped bits all over a shard of training records: the process names the file and ends. They are flipped back."""
    shard = chance.choice(sorted(run.data_dir.glob("*/train-*.array_record")))
    times, size = shard.stat(), shard.stat().st_size
    places = list(range(size // 10, size - size // 10, FLIP_EVERY))  # its ends hold what is read when it is opened
    bits = [(place, 1 << chance.randrange(8)) for place in places]
    flip(shard, bits)
    try:
        code = run.end()
    finally:
        flip(shard, bits)
        os.utime(shard, ns=(times.st_atime_ns, times.st_mtime_ns))
    if code == 0:
        raise Over
    if code != 1 or str(shard) not in run.said() or "Traceback" in run.said():
        return [f"with {shard} damaged the process ended with {code} and said: {run.said()[-500:]}"]
    return []


@dataclass
class FullDisk:
    """A place for a run that can be filled: a small tmpfs where one can be mounted.

    Elsewhere the limit on the size of files that a process writes stands in for it.
    """

    folder: Path
    mounted: bool = field(init=False, default=False)

    @contextlib.contextmanager
    def there(self, megabytes: int) -> Iterator["FullDisk"]:
        """Mount it, and unmount it in the end."""
        self.folder.mkdir(parents=True, exist_ok=True)
        asked = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(self.folder)]
        with contextlib.suppress(OSError):
            self.mounted = subprocess.run(asked, capture_output=True, check=False).returncode == 0
        try:
            yield self
        finally:
            if self.mounted:
                subprocess.run(["umount", str(self.folder)], check=True)

    @property
    def kind(self) -> str:
        return "full disk" if self.mounted else "files that cannot grow"

    def fault(self, run: SoakRun, chance: random.Random) -> list[str]:
        """A full disk, until a save has failed: that is said, and the process goes on and saves again."""
        wait(run, chance.uniform(0, run.interval))
        good, said = run.newest, run.said()
        with self._full(run):
            try:
                run.until(lambda: failed_to_save(run.said()[len(said) :]))
            except Stuck:  # it came to its end meanwhile, and had to save
                if "could not be written" in run.said():
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


def failed_to_save(said: str) -> bool:
    """Whether a process says that a checkpoint could not be written, and goes on."""
    return any("model.ckpt-" in line and line.rstrip().endswith("Training goes on.") for line in said.splitlines())


def wait(run: SoakRun, seconds: float) -> None:
    """Leave a process alone for so long. Raises Over or Stuck if it ends before."""
    end = time.monotonic() + seconds
    run.until(lambda: time.monotonic() > end)


def ended(run: SoakRun, number: signal.Signals, expected: int) -> list[str]:
    """Send a signal, and see how the process ends."""
    run.process.send_signal(number)
    code = run.end()
    if code == 0:
        raise Over
    return [] if code == expected else [f"after {number.name} it ended with {code}: {run.said()[-500:]}"]


def flip(path: Path, bits: list[tuple[int, int]]) -> None:
    """Flip bits, (place of the byte, mask): done twice, the file is as it was."""
    with path.open("r+b") as file:
        content = bytearray(file.read())
        for place, mask in bits:
            content[place] ^= mask
        file.seek(0)
        file.write(content)
