import os
import subprocess
import sys

import pytest

from t2t_mm.atomic_file import atomic_write, sweep
from t2t_mm.errors import UserError


def test_a_file_gets_its_name_when_it_is_complete_and_the_old_file_stays_until_then(tmp_path):
    path = tmp_path / "new" / "results.json"
    for content in ("first", "second"):
        before = path.read_text() if path.exists() else None
        with atomic_write(path) as partial:
            partial.write_text(content)
            assert (path.read_text() if path.exists() else None) == before
        assert path.read_text() == content
        assert os.listdir(path.parent) == ["results.json"]


def test_after_an_error_the_old_file_is_there_and_nothing_else(tmp_path):
    path = tmp_path / "results.json"
    path.write_text("old")
    for error in (ValueError("odd"), KeyboardInterrupt()):
        with pytest.raises(type(error)), atomic_write(path) as partial:
            partial.write_text("half")
            raise error
    with pytest.raises(UserError, match="No space left on device"), atomic_write(path) as partial:
        raise OSError(28, "No space left on device")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["results.json"]


def test_sweeping_removes_partial_files_and_nothing_else(tmp_path):
    (tmp_path / ".partial-abc").mkdir()
    (tmp_path / ".partial-abc" / "results.json").touch()
    (tmp_path / "results.json").touch()
    sweep(tmp_path)
    assert os.listdir(tmp_path) == ["results.json"]


def test_sweeping_leaves_a_file_that_another_process_writes_until_that_is_killed(tmp_path):
    writes = "import sys, time, pathlib; from t2t_mm.atomic_file import atomic_write\n"
    writes += "with atomic_write(pathlib.Path(sys.argv[1])) as partial: print(flush=True); time.sleep(60)"
    command = [sys.executable, "-c", writes, str(tmp_path / "mean")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": ":".join(sys.path)}
    ) as other:
        other.stdout.readline()
        with atomic_write(tmp_path / "own") as partial:
            sweep(tmp_path)
            partial.write_text("own")
        assert (tmp_path / "own").read_text() == "own" and len(list(tmp_path.glob(".partial-*/mean"))) == 1
        other.kill()
        other.wait()
    assert len(list(tmp_path.glob(".partial-*/mean"))) == 1
    sweep(tmp_path)
    assert os.listdir(tmp_path) == ["own"]
