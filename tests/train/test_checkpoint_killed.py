"""A save that ends between any two calls of the operating system: what is there afterwards is whole."""

import subprocess
import sys

import numpy as np

from t2t_mm.train import checkpoint

SAVES = """
import os, sys
from pathlib import Path
import numpy as np
from t2t_mm.train import checkpoint

folder, last = Path(sys.argv[1]), int(sys.argv[2])
calls = []

def before(frame, event, call):
    # What C does for Python; of that, what asks the operating system, and the writer of tensors.
    if event == "c_call" and (call.__module__ == "posix" or call.__name__ in ("serialize_file", "open")):
        calls.append(call.__name__)
        if len(calls) == last:
            os._exit(9)

tensors = {"net/a": np.full(1000, 2.0, np.float32)}
sys.setprofile(before)
checkpoint.save(folder, 20, tensors, {"step": 20}, keep=1)
sys.setprofile(None)
print(*calls)
"""


def save(folder, last=0):
    """Save step 20 behind step 10 in another process, which ends before its call number `last`; 0: after all."""
    folder.mkdir()
    checkpoint.save(folder, 10, {"net/a": np.ones(1000, np.float32)}, {"step": 10}, keep=1)
    done = subprocess.run(
        [sys.executable, "-c", SAVES, str(folder), str(last)], capture_output=True, text=True, check=False
    )
    assert done.returncode == (9 if last else 0), done.stderr
    return done.stdout.split()


def test_ended_before_any_of_its_calls_it_leaves_a_whole_checkpoint_and_the_next_save_is_as_ever(tmp_path):
    calls = save(tmp_path / "whole")
    assert len(calls) > 15
    steps = []
    for last in range(1, len(calls) + 1):
        folder = tmp_path / str(last)
        save(folder, last)
        path, tensors, state = checkpoint.load_newest(folder, print)
        steps.append(state["step"])
        assert (tensors["net/a"] == (1.0 if state["step"] == 10 else 2.0)).all()
        assert path == checkpoint.path_of(folder, state["step"])
        checkpoint.save(folder, 20, {"net/a": np.full(1000, 2.0, np.float32)}, {"step": 20}, keep=1)
        assert [left.name for left in folder.iterdir()] == ["model.ckpt-20.safetensors"]
    assert steps == sorted(steps) and set(steps) == {10, 20}


def test_the_file_is_flushed_before_it_has_its_name_and_the_name_before_the_earlier_one_goes(tmp_path):
    calls = save(tmp_path / "whole")
    kept = [call for call in calls if call in ("serialize_file", "fsync", "replace", "unlink", "remove")]
    assert kept == ["serialize_file", "fsync", "replace", "fsync", "unlink"]
