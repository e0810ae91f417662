"""Processes that are killed when they take too much memory."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from t2t_mm.train.memory import memory_limit as module
from t2t_mm.train.memory.memory_limit import Ended, available, peak, process_memory, reset_peak, watched

MEBIBYTE = 2**20
needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not report memory")


def take_memory(send, *mebibytes):
    kept = []
    for amount in mebibytes:
        kept.append(np.ones(amount * MEBIBYTE, np.uint8))
        send((amount, peak()))
        time.sleep(0.3)  # a few looks
    send("done")


def end_itself(send, how):
    send("last word")
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(3)


@needs_proc
def test_work_within_its_limit_ends_by_itself_and_reports_its_memory():
    heard = []
    assert watched(take_memory, (64,), 2**31, heard.append) == Ended(over=False, code=0)
    (amount, most), last = heard
    assert (amount, last) == (64, "done") and 64 * MEBIBYTE < most < 2**31


@needs_proc
def test_work_beyond_its_limit_is_killed_and_its_messages_until_then_are_received():
    heard = []
    ended = watched(take_memory, (16, 1024, 16), 700 * MEBIBYTE, heard.append)
    assert ended.over and [message[0] for message in heard] in ([16], [16, 1024])


def test_a_process_that_is_killed_took_too_much_and_one_that_exits_did_not():
    heard = []
    assert watched(end_itself, ("killed",), None, heard.append) == Ended(over=True, code=-9)
    assert watched(end_itself, ("left",), None, heard.append) == Ended(over=False, code=3)
    assert heard == ["last word", "last word"]


@needs_proc
def test_a_peak_can_be_forgotten_where_the_system_allows_it():
    taken = np.ones(300 * MEBIBYTE, np.uint8)
    before = peak()
    del taken
    reset_peak()
    if peak() == before:
        pytest.skip("the system does not let a process reset its peak")
    assert process_memory() <= peak() < before - 200 * MEBIBYTE


def test_a_container_with_less_left_than_the_machine_decides(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PROC", tmp_path)
    monkeypatch.setattr(module, "CGROUP", tmp_path)
    assert available() is None
    (tmp_path / "meminfo").write_text("MemTotal: 9000 kB\nMemAvailable: 8000 kB\n")
    assert available() == 8000 * 1024
    for file, text in {"memory.max": "5000000", "memory.current": "2000000"}.items():
        (tmp_path / file).write_text(f"{text}\n")
    (tmp_path / "memory.stat").write_text("anon 1400000\ninactive_file 500000\n")
    assert available() == 3_500_000
    (tmp_path / "memory.max").write_text("max\n")
    assert available() == 8000 * 1024
