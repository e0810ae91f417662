"""t2t-mm-datagen on Apache Beam, as a user runs it: the same bytes as without."""

import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import t2t_mm
from t2t_mm.fingerprint import fingerprint

installed = importlib.util.find_spec("apache_beam") is not None
needs_beam = pytest.mark.skipif(not installed, reason="Apache Beam is not installed: pip install 't2t_mm[beam]'")

PLUGIN = '''
"""A corpus of two columns."""

import time

from t2t_mm.data.features.label import Label
from t2t_mm.data.sources.parallel_text import ParallelText
from t2t_mm.data.features.text import Text
from t2t_mm.problem import Problem
from t2t_mm.registry import PROBLEMS


class Slow(ParallelText):
    def examples_from(self, split, tmp_dir, start):
        for example in super().examples_from(split, tmp_dir, start):
            time.sleep(0.002)
            yield example


@PROBLEMS.register
class TranslateTiny(Problem):
    """English to German, a few lines."""

    source = ParallelText("tiny", inputs="en", targets="de")
    inputs = targets = Text(size=400)


@PROBLEMS.register
class TranslateSlowly(TranslateTiny):
    """The same, without haste."""

    source = Slow("tiny", inputs="en", targets="de")


@PROBLEMS.register
class Hunde(TranslateTiny):
    """English to one of two classes, which no target is."""

    targets = Label("hunde", names=("Hund", "Katze"))
'''
LOCAL = "--runner=DirectRunner"
SEVERAL = (LOCAL, "--beam_options=direct_running_mode=multi_processing,direct_num_workers=2")


@pytest.fixture
def arguments(tmp_path):
    (tmp_path / "plugin").mkdir()
    (tmp_path / "plugin" / "__init__.py").write_text(PLUGIN)
    (tmp_path / "tiny").mkdir()
    for stem, lines in (("train", 600), ("val", 20)):
        for language, text in (("en", "a dog sees {} cats"), ("de", "ein Hund sieht {} Katzen")):
            (tmp_path / "tiny" / f"{stem}.{language}").write_text("\n".join(map(text.format, range(lines))))
    return [f"--t2t_usr_dir={tmp_path / 'plugin'}", f"--tmp_dir={tmp_path}", "--num_shards=6"]


def checksums(folder):
    return {str(path.relative_to(folder)): fingerprint(path) for path in sorted(folder.rglob("*")) if path.is_file()}


@needs_beam
@pytest.mark.slow
@pytest.mark.parametrize("flags", [("--runner",), SEVERAL])
def test_shards_and_manifests_are_those_made_without_beam(command, arguments, tmp_path, flags):
    common = ["--problems=translate_tiny,image_shapes", "--max_cases=300", *arguments]
    plain = command("datagen", *common, f"--data_dir={tmp_path / 'plain'}")
    beamed = command("datagen", *common, f"--data_dir={tmp_path / 'beamed'}", *flags)
    assert (plain.returncode, beamed.returncode) == (0, 0), beamed.stderr
    assert beamed.stdout == plain.stdout
    assert checksums(tmp_path / "beamed") == checksums(tmp_path / "plain")
    assert len(list((tmp_path / "beamed" / "translate_tiny").glob("train-*-of-00006.array_record"))) == 6


@needs_beam
@pytest.mark.slow
def test_a_build_killed_on_beam_is_finished_without_beam(command, arguments, tmp_path):
    common = ["--problems=translate_slowly", *arguments]
    assert command("datagen", *common, f"--data_dir={tmp_path / 'plain'}").returncode == 0
    process = subprocess.Popen(
        [sys.executable, "-m", "t2t_mm.bin.datagen", *common, f"--data_dir={tmp_path / 'killed'}", LOCAL],
        env={**os.environ, "PYTHONPATH": str(Path(t2t_mm.__file__).parents[1])},
        stdout=subprocess.DEVNULL,
    )
    partial = tmp_path / "killed" / "translate_slowly.partial"
    end = time.monotonic() + 60
    while len(list(partial.glob("*.done"))) < 2 and process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = len(list(partial.glob("*.done")))
    assert 2 <= finished < 7
    done = command("datagen", *common, f"--data_dir={tmp_path / 'killed'}")
    assert f"resuming; {finished} of 7 files are finished" in done.stdout
    assert checksums(tmp_path / "killed") == checksums(tmp_path / "plain")


@needs_beam
@pytest.mark.slow
def test_an_example_that_cannot_be_stored_is_one_sentence_and_nothing_stays(command, arguments, tmp_path):
    runs = [
        command("datagen", "--problems=hunde", *arguments, f"--data_dir={tmp_path / 'data'}", *flags)
        for flags in ((), SEVERAL)
    ]
    for done in runs:
        assert done.returncode == 1 and "Traceback" not in done.stderr
        assert "can't be stored: No class is named 'ein Hund sieht" in done.stderr.splitlines()[-1]
        assert not list((tmp_path / "data").glob("hunde*"))


@needs_beam
@pytest.mark.parametrize(
    ("flag", "sentence"),
    [
        ("--runner=Nowhere", "Apache Beam has no runner 'Nowhere' here: "),
        ("--beam_options=direct_num_workers=many", "--beam_options: argument --direct_num_workers: invalid int value"),
    ],
)
def test_an_unknown_runner_or_option_is_one_sentence(command, arguments, tmp_path, flag, sentence):
    done = command("datagen", "--problems=translate_tiny", f"--data_dir={tmp_path / 'd'}", *arguments, "--runner", flag)
    assert done.returncode == 1 and done.stderr.startswith(f"t2t-mm-datagen: {sentence}")
    assert done.stderr.count("\n") == 1 and not (tmp_path / "d").exists()


@pytest.mark.skipif(installed, reason="Apache Beam is installed")
def test_an_error_without_beam_tells_how_to_install_it(command, arguments, tmp_path):
    done = command("datagen", "--problems=translate_tiny", *arguments, f"--data_dir={tmp_path / 'd'}", LOCAL)
    assert done.returncode == 1 and not (tmp_path / "d").exists()
    assert done.stderr == (
        "t2t-mm-datagen: --runner is for Apache Beam, which is not installed: pip install 't2t_mm[beam]'.\n"
    )
