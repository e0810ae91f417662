"""One process at a time in a run directory."""

import fcntl
import subprocess
import sys

import pytest

from t2t_mm.errors import UserError
from t2t_mm.train.run_lock import run_lock

HOLD = """
import os, sys
from pathlib import Path
from t2t_mm.train.run_lock import run_lock
with run_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", HOLD, tmp_path / "run"], **pipes) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_process_is_told_who_holds_the_run(tmp_path, holder):
    with pytest.raises(UserError, match=f"is training in .*run: process {holder.pid} on .*, since 20") as raised:
        with run_lock(tmp_path / "run"):
            pass
    assert "--output_dir" in str(raised.value)


def test_the_lock_dies_with_its_process(tmp_path, holder):
    holder.kill()
    holder.wait()
    with run_lock(tmp_path / "run"):
        pass


def test_the_lock_is_held_within_the_context_and_no_longer(tmp_path):
    with run_lock(tmp_path / "run"):
        with open(tmp_path / "run" / "lock") as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)  # still held
    with open(tmp_path / "run" / "lock") as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "run").write_text("a file")
    with pytest.raises(UserError, match="cannot be written to"), run_lock(tmp_path / "run"):
        pass
