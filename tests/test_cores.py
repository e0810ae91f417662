"""Cores shared among micro-batches that are computed in parallel."""

import os
import subprocess
import sys

import keras
import pytest
from keras import ops

from t2t_mm import cores, runs
from t2t_mm.cores import THREADS, share_cores
from t2t_mm.errors import UserError
from t2t_mm.train.distributed.cluster import ALONE

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="about TensorFlow's threads")

BEFORE_ITS_USE = """
import tensorflow as tf
from t2t_mm import cores
from t2t_mm.cores import share_cores

cores.processors = lambda: 8
share_cores(1, print)
assert tf.config.threading.get_intra_op_parallelism_threads() == 0 and cores.threads() == "8"  # all there are
share_cores(16, print)
assert tf.config.threading.get_intra_op_parallelism_threads() == 1
share_cores(2, print)
assert tf.config.threading.get_intra_op_parallelism_threads() == 4 and cores.threads() == "4"
tf.zeros(1) + 1
share_cores(2, print)  # it is so already
"""


def test_an_operation_takes_its_share_when_tensorflow_was_not_used_before():
    environment = {name: value for name, value in os.environ.items() if name != THREADS}
    done = subprocess.run(
        [sys.executable, "-c", BEFORE_ITS_USE], env=environment, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_a_share_that_comes_after_tensorflows_first_use_is_reported(monkeypatch):
    monkeypatch.delenv(THREADS, raising=False)
    monkeypatch.setattr(cores, "processors", lambda: 6)
    ops.zeros(1) + 1
    lines = []
    share_cores(2, lines.append)
    assert len(lines) == 1 and lines[0].endswith(f"an operation takes 6 cores. Set {THREADS}=3 to change that.")


def test_the_environments_number_of_threads_stands(monkeypatch):
    monkeypatch.setenv(THREADS, "2")
    lines = []
    share_cores(2, lines.append)
    assert lines == []


def start_run(folder, **also):
    places = {"data_dir": folder / "data", "tmp_dir": folder, "output_dir": folder / "run"}
    changes = "accumulate_batches=2,batches_at_once=2"
    runs.run(["translate_north_south"], "multimodel_demo", changes, **places, train_steps=1, **also)


def test_a_run_shares_cores_before_its_data_is_made_which_may_use_tensorflow(monkeypatch, tmp_path):
    def share(batches_at_once, report):
        raise UserError(f"shared among {batches_at_once}")

    monkeypatch.setattr(runs, "share_cores", share)
    with pytest.raises(UserError, match="shared among 2"):
        start_run(tmp_path)
    assert not list(tmp_path.glob("[dr]*"))


def test_several_workers_are_refused_before_anything_is_made(tmp_path):
    workers = type("Two", (type(ALONE),), {})()
    workers.count = 2
    with pytest.raises(UserError, match="for a process that trains alone; received 2 and 2 workers. Leave it at 1"):
        start_run(tmp_path, cluster=workers)
    assert not list(tmp_path.glob("[dr]*"))
