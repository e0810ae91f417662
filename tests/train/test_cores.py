"""Cores shared among batches that are computed side by side."""

import os
import subprocess
import sys

import keras
import pytest
from keras import ops

from t2t_mm.train.cores import THREADS, share_cores

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="about TensorFlow's threads")

BEFORE_ITS_USE = """
import os
import tensorflow as tf
from t2t_mm.train.cores import share_cores

os.sched_getaffinity = lambda process: set(range(8))
share_cores(1, print)
assert tf.config.threading.get_intra_op_parallelism_threads() == 0  # as many as there are
share_cores(16, print)
assert tf.config.threading.get_intra_op_parallelism_threads() == 1
share_cores(2, print)
assert tf.config.threading.get_intra_op_parallelism_threads() == 4
tf.zeros(1) + 1
share_cores(2, print)
"""


def test_an_operation_takes_its_share_when_tensorflow_was_not_used_before():
    environment = {name: value for name, value in os.environ.items() if name != THREADS}
    done = subprocess.run(
        [sys.executable, "-c", BEFORE_ITS_USE], env=environment, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_it_says_so_when_it_is_too_late(monkeypatch):
    monkeypatch.delenv(THREADS, raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(6)))
    ops.zeros(1) + 1
    said = []
    share_cores(2, said.append)
    assert [f"Set {THREADS}=3 to change that." in line for line in said] == [True]


def test_what_the_environment_says_stands(monkeypatch):
    monkeypatch.setenv(THREADS, "2")
    said = []
    share_cores(2, said.append)
    assert said == []
