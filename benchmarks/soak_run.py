"""A training run that is disturbed: its processes, one after the other, their output and their files."""

import itertools
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from t2t_mm.atomic_file import PARTIAL
from t2t_mm.train import checkpoint

TRAINER = [sys.executable, "-m", "t2t_mm.bin.trainer"]
PATIENCE = 900.0  # seconds without a new checkpoint, or for an end, after which a run counts as stuck
LOOK = 0.01  # seconds between two looks at a run
SAVED = 128 + signal.SIGTERM  # the exit code of a process that was asked to stop and has saved


class RunStuck(Exception):
    """A run that makes no progress."""


class RunEnded(Exception):
    """A run that has come to its end."""


class SoakRun:
    """The trainer on one run directory, started again and again until the run is complete."""

    def __init__(self, output_dir: Path, data_dir: Path, save_every: int, flags: Sequence[str]) -> None:
        self.output_dir, self.data_dir, self.save_every = output_dir, data_dir, save_every
        self.command = [
            *TRAINER,
            *flags,
            f"--save_checkpoints_steps={save_every}",
            f"--output_dir={output_dir}",
            f"--data_dir={data_dir}",
        ]
        self.interval = 1.0  # seconds between two saves, as faults should know it
        self.starts = 0
        self.partial_checkpoints = 0  # checkpoints that a killed process left unfinished
        self.seconds_to_save = 10.0  # from a start to its first checkpoint, the last time
        self._ends: list[int] = []  # the step that each process which trained can have come to
        self._output: list[str] = []
        self._process: subprocess.Popen[str] | None = None
        self._reader = threading.Thread()
        self._newest_at_start, self._started, self._saved = 0, 0.0, False

    @property
    def steps(self) -> list[int]:
        """The steps that have a checkpoint, ascending."""
        return checkpoint.steps(self.output_dir)

    @property
    def newest(self) -> int:
        """The step of the newest checkpoint; 0 without one."""
        return max(self.steps, default=0)

    @property
    def process(self) -> "subprocess.Popen[str]":
        """The process that was started last. Raises RunStuck if none was."""
        if self._process is None:
            raise RunStuck("No process was started.")
        return self._process

    @property
    def at_work(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the command again, unless it is at work."""
        if self.at_work:
            return
        self.starts += 1
        self._newest_at_start, self._started, self._saved = self.newest, time.monotonic(), False
        self._output = []
        # What it says goes through a pipe: where files cannot grow, it can still speak.
        self._process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()

    def output(self) -> str:
        """Return the output of the last process so far."""
        return "".join(self._output)

    def reach(self, step: int) -> None:
        """Continue until a process has written a checkpoint, and there is one of `step` or later.

        Raises RunEnded if the run ends before, RunStuck if it ends with an error or not at all.
        """
        self.start()
        self.until(lambda: self.newest not in (0, self._newest_at_start))
        if not self._saved:
            self._saved, self.seconds_to_save = True, time.monotonic() - self._started
        while self.newest < step:
            seen = self.newest
            self.until(lambda seen=seen: self.newest != seen)

    def until(self, condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
        """Wait for a condition while a process is at work. Raises the same errors as `reach`."""
        end = time.monotonic() + seconds
        while not condition():
            if not self.at_work:
                if code := self.end():
                    raise RunStuck(f"A process ended by itself, with {code}:\n{self.output()}")
                raise RunEnded
            if time.monotonic() > end:
                self.process.kill()
                raise RunStuck(f"Nothing happened for {seconds:.0f} s. What the process output:\n{self.output()}")
            time.sleep(LOOK)

    def end(self) -> int:
        """Wait for the process to end; return its exit code, below 0 for a signal. Raises RunStuck."""
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise RunStuck(f"A process did not end for {PATIENCE:.0f} s. What it output:\n{self.output()}") from None
        self._reader.join(10)
        if len(self.began_at()) > len(self._ends):
            saved = code == SAVED or " is saved after step " in self.output()
            self._ends.append(self.newest + (0 if saved else self.save_every - 1))
        self.partial_checkpoints += self.writing()
        return code

    def repeated(self) -> int:
        """Return how many steps were taken again, at most.

        It is an upper bound because a process may have died right before its next save.
        """
        return sum(max(0, end - again) for end, again in zip(self._ends, self.began_at()[1:], strict=False))

    def writing(self) -> bool:
        """Return True if there is a partial checkpoint."""
        return any(self.output_dir.glob(f"{PARTIAL}*/model.ckpt-*"))

    def between_saves(self) -> float:
        """Return the seconds between two checkpoints of a complete run; 1 if it kept only one."""
        times = [checkpoint.path_of(self.output_dir, step).stat().st_mtime for step in self.steps]
        return min((later - earlier for earlier, later in itertools.pairwise(times)), default=1.0)

    def began_at(self) -> list[int]:
        """Return the steps after which the processes that trained began, in their order."""
        log, began = self.output_dir / "log.jsonl", []
        for line in log.read_bytes().splitlines() if log.is_file() else ():
            try:
                content = json.loads(line)
            except ValueError:  # cut short by a kill
                continue
            if content["kind"] == "start":
                began.append(content["step"])
        return began

    def _read(self, process: "subprocess.Popen[str]") -> None:
        output = self._output
        for line in process.stderr or ():
            output.append(line)
