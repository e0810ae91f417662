"""Several workers on one host: told of each other, stopped together, and of one exit code."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import t2t_mm

WORKER = """
import json, os, pathlib, signal, sys, time
config = json.loads(os.environ["TF_CONFIG"])
index = config["task"]["index"]
folder = pathlib.Path(sys.argv[1])
(folder / f"{index}.json").write_text(json.dumps([config, os.environ["CUDA_VISIBLE_DEVICES"]]))
if sys.argv[2] == "waits" or (sys.argv[2] == "0 waits" and index == 0):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    (folder / f"{index}.ready").touch()
    time.sleep(120)
sys.exit(5 if "waits" in sys.argv[2] else int(sys.argv[2].split(",")[index]))
"""


@pytest.fixture
def started(tmp_path):
    """Starts two workers that do as they are told."""
    (tmp_path / "worker.py").write_text(WORKER)

    def start(what):
        run = f"run_workers('worker', [{str(tmp_path)!r}, {what!r}], 2)"
        call = f"from t2t_mm.bin import workers; workers.PATIENCE = 0.5; raise SystemExit(workers.{run})"
        path = os.pathsep.join([str(Path(t2t_mm.__file__).parents[1]), str(tmp_path)])
        environment = {**os.environ, "PYTHONPATH": path, "CUDA_VISIBLE_DEVICES": "5,7"}
        return subprocess.Popen([sys.executable, "-c", call], env=environment)

    return start


def test_workers_know_each_other_and_have_a_device_each(started, tmp_path):
    assert started("0,0").wait(60) == 0
    (first, a), (second, b) = (json.loads((tmp_path / f"{index}.json").read_text()) for index in range(2))
    assert first["cluster"] == second["cluster"] and len(set(first["cluster"]["worker"])) == 2
    assert [config["task"] for config in (first, second)] == [{"type": "worker", "index": i} for i in range(2)]
    assert (a, b) == ("5", "7")


def test_the_fault_of_one_is_that_of_all(started):
    assert started("0,3").wait(60) == 3


def test_who_does_not_notice_the_fault_of_another_is_ended(started):
    assert started("0 waits").wait(60) == 5


def test_what_a_signal_ended_has_its_number(started, tmp_path):
    process = started("waits")
    while not (tmp_path / "1.ready").exists():
        assert process.poll() is None
        time.sleep(0.05)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(children[1]), signal.SIGKILL)
    assert process.wait(60) == 128 + signal.SIGKILL


def test_a_signal_goes_to_all(started, tmp_path):
    process = started("waits")
    while not all((tmp_path / f"{index}.ready").exists() for index in range(2)):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 143


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone tells a child that its parent is gone")
def test_workers_do_not_outlive_a_command_that_is_killed(started, tmp_path):
    process = started("waits")
    while not all((tmp_path / f"{index}.ready").exists() for index in range(2)):
        assert process.poll() is None
        time.sleep(0.05)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.kill()
    process.wait()
    deadline = time.monotonic() + 30
    while any(runs(child) for child in children):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def runs(process):
    """Whether there is such a process that has not ended yet."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False
