"""Data parallel replicas that share a batch compute what one process computes with all of it."""

import threading
from dataclasses import dataclass, field

import keras
import numpy as np
import pytest
from keras import ops

from t2t_mm.layers.batch_norm import moments
from t2t_mm.layers.dropout import dropout
from t2t_mm.layers.experts import Experts
from t2t_mm.layers.forward import Forward, Noise
from t2t_mm.layers.replicas import ALONE, Replicas

SEED = np.uint32(7)


@dataclass
class Table:
    """An all-reduce between replicas in threads."""

    count: int
    barrier: threading.Barrier = field(init=False)
    values: dict = field(default_factory=dict)

    def __post_init__(self):
        self.barrier = threading.Barrier(self.count, timeout=60)

    def total(self, index, x):
        self.values[index] = ops.convert_to_numpy(x)
        self.barrier.wait()
        total = sum(self.values[one] for one in range(self.count))
        self.barrier.wait()
        return ops.convert_to_tensor(total)


def by_replicas(work, parts):
    """Return work(replicas, part) for each of `parts`, run at the same time."""
    table, results = Table(len(parts)), {}

    def run(index):
        replicas = Replicas(index, len(parts), lambda x: table.total(index, x))
        results[index] = work(replicas, parts[index])

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(parts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [results[index] for index in range(len(parts))]


def test_the_total_of_a_single_replica_is_its_argument():
    assert ALONE.total(3) == 3


def test_each_returns_the_values_of_all_replicas_in_order():
    for result in by_replicas(lambda replicas, x: replicas.each(ops.convert_to_tensor(x)), [[1, 2], [3, 4], [5, 6]]):
        np.testing.assert_array_equal(ops.convert_to_numpy(result), [[1, 2], [3, 4], [5, 6]])


def test_dropout_of_a_row_is_that_of_the_row_in_the_full_batch():
    x_BLD = np.ones((5, 3, 8), "float32")
    full = dropout(x_BLD, 0.5, Forward(Noise(SEED)), "net/x")
    first = dropout(x_BLD[:3], 0.5, Forward(Noise(SEED, 3, 0)), "net/x")
    last = dropout(x_BLD[3:], 0.5, Forward(Noise(SEED, 2, 3)), "net/x")
    np.testing.assert_array_equal(np.concatenate([first, last]), full)
    assert not np.array_equal(first[:2], last)


def test_moments_on_replicas_are_those_of_all_rows():
    x_BLD = np.random.default_rng(0).normal(size=(5, 3, 4)).astype("float32")
    real_BL = np.arange(3)[None] < np.array([3, 1, 2, 0, 3])[:, None]
    right = moments(x_BLD, real_BL)
    for result in by_replicas(
        lambda replicas, rows: moments(x_BLD[rows], real_BL[rows], replicas), [np.s_[:3], np.s_[3:]]
    ):
        for one, other in zip(result, right, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5)


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="shapes there are static: one program sees all rows"
)
@pytest.mark.parametrize("capacity", [0.5, 1.0, 4.0])
def test_experts_on_replicas_route_and_balance_the_tokens_of_the_full_batch(capacity, scrambled):
    experts = Experts(experts=4, per_token=2, size=6, capacity=capacity, balance=0.1, name="experts")
    experts.build(8)
    scrambled(experts)
    x_BLD = np.random.default_rng(1).normal(size=(5, 3, 8)).astype("float32")
    real_BL = np.arange(3)[None] < np.array([3, 1, 2, 0, 3])[:, None]

    def run(replicas, rows):
        noise = Noise(SEED, *((rows.stop - rows.start, rows.start) if replicas.count > 1 else ()))
        forward = Forward(noise, replicas=replicas)
        return experts(x_BLD[rows], real_BL[rows], forward), forward

    right, full = run(ALONE, np.s_[0:5])
    parts = by_replicas(run, [np.s_[0:2], np.s_[2:3], np.s_[3:5]])
    np.testing.assert_allclose(np.concatenate([one for one, _ in parts]), right, rtol=1e-5, atol=1e-6)
    if capacity == 0.5:
        assert float(full.reports["experts/overflow"]) > 0
    for _, forward in parts:
        assert float(forward.penalties["experts"]) == pytest.approx(float(full.penalties["experts"]), rel=1e-5)
        for name, report in full.reports.items():
            np.testing.assert_allclose(forward.reports[name], report, rtol=1e-5, atol=1e-6)
