"""t2t-mm-datagen killed at any moment: the same command finishes, and the files are those of an undisturbed one."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import t2t_mm
from t2t_mm.fingerprint import fingerprint

LINES = 1200
PLUGIN = '''
"""A corpus of two columns."""

import time

from t2t_mm.data.sources.parallel_text import ParallelText
from t2t_mm.data.features.text import Text
from t2t_mm.problem import Problem
from t2t_mm.registry import PROBLEMS


class Slow(ParallelText):
    """Takes its time, so that there is time to be killed in."""

    def examples_from(self, split, tmp_dir, start):
        for example in super().examples_from(split, tmp_dir, start):
            time.sleep(0.0005)
            yield example


@PROBLEMS.register
class TranslateSlowly(Problem):
    """English to German, without haste."""

    source = Slow("slow", inputs="en", targets="de")
    inputs = targets = Text(size=400)
    command = "to-german"
'''


class Datagen:
    """The command on a corpus of its own, into a folder."""

    def __init__(self, root, processes):
        self.root, self.processes = root, processes

    def start(self, folder):
        flags = [f"--t2t_usr_dir={self.root / 'plugin'}", f"--tmp_dir={self.root}", f"--data_dir={self.root / folder}"]
        how = ["--problems=translate_slowly", "--num_shards=12", f"--num_concurrent_processes={self.processes}"]
        environment = {**os.environ, "PYTHONPATH": str(Path(t2t_mm.__file__).parents[1])}
        return subprocess.Popen(
            [sys.executable, "-m", "t2t_mm.bin.datagen", *flags, *how],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, folder):
        process = self.start(folder)
        output, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
        return output

    def checksums(self, folder):
        here = self.root / folder
        return {str(path.relative_to(here)): fingerprint(path) for path in sorted(here.rglob("*")) if path.is_file()}

    def finished(self, folder):
        """Return when each finished shard was done, by its name."""
        notes = (self.root / folder / "translate_slowly.partial").glob("*.done")
        return {note.name.removesuffix(".done"): note.stat().st_mtime_ns for note in notes}


@pytest.fixture
def make(tmp_path):
    def build(processes):
        (tmp_path / "plugin").mkdir()
        (tmp_path / "plugin" / "__init__.py").write_text(PLUGIN)
        (tmp_path / "slow").mkdir()
        for stem, lines in (("train", LINES), ("val", 50)):
            for language, text in (("en", "a dog sees {} cats"), ("de", "ein Hund sieht {} Katzen")):
                (tmp_path / "slow" / f"{stem}.{language}").write_text("\n".join(map(text.format, range(lines))))
        return Datagen(tmp_path, processes)

    return build


def until(condition, process, seconds=120):
    """Wait for a condition, as long as the process is at work."""
    end = time.monotonic() + seconds
    while not condition() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.005)


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.communicate()


@pytest.mark.parametrize("processes", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_finished_shards_are_not_made_again_after_a_kill(make, processes):
    datagen = make(processes)
    datagen.finish("whole")
    process = datagen.start("killed")
    until(lambda: len(datagen.finished("killed")) >= 3, process)
    kill(process)
    before = datagen.finished("killed")
    assert 3 <= len(before) < 13
    process = datagen.start("killed")
    until(lambda: len(datagen.finished("killed")) > len(before), process)
    after = datagen.finished("killed")
    assert {shard: after[shard] for shard in before} == before
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    assert f"translate_slowly: resuming; {len(before)} of 13 files are finished." in output
    assert datagen.checksums("killed") == datagen.checksums("whole")


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_a_build_killed_at_ten_random_moments_ends_with_the_same_checksums(make, processes):
    datagen = make(processes)
    started = time.monotonic()
    datagen.finish("whole")
    seconds = time.monotonic() - started
    moments = random.Random(processes)
    for _ in range(10):
        process = datagen.start("killed")
        moment = moments.uniform(0, seconds / 2)
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            pass
        kill(process)
    datagen.finish("killed")
    assert datagen.checksums("killed") == datagen.checksums("whole")
