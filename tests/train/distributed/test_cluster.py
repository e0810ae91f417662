"""Decisions that all workers make together, and work that only the chief does."""

import json
import signal
import threading

import numpy as np
import pytest

from t2t_mm.errors import UserError
from t2t_mm.registry import HPARAM_SETS
from t2t_mm.run_config import RunConfig
from t2t_mm.train import loop
from t2t_mm.train.distributed.cluster import ALONE, Alone, Cluster
from t2t_mm.train.distributed.cluster_spec import ClusterSpec
from t2t_mm.train.distributed.join import join
from t2t_mm.train.trainer import Trainer


class Threads(Cluster):
    """A cluster whose workers are threads of this process."""

    def __init__(self, index, count, table, gate):
        super().__init__(index, count)
        self.table, self.gate = table, gate

    def all_reduce(self, tensors):
        raise NotImplementedError

    run_on_all_workers = raising_worker_lost = all_reduce

    def all_reduce_numbers(self, numbers):
        self.table[self.index] = np.array(numbers)
        self.gate.wait()
        total = sum(self.table.values()).tolist()
        self.gate.wait()
        return total


def by_workers(work, count=3):
    """Return work(cluster) of each worker, all run at the same time."""
    table, gate, results = {}, threading.Barrier(count, timeout=60), {}

    def run(index):
        try:
            results[index] = work(Threads(index, count, table, gate))
        except UserError as error:
            results[index] = error

    threads = [threading.Thread(target=run, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [results[index] for index in range(count)]


def test_any_is_true_on_all_workers_if_it_is_true_on_one():
    assert by_workers(lambda cluster: cluster.any_worker(cluster.index == 2, False)) == [[True, False]] * 3


def test_the_chief_is_the_first_worker_and_its_number_is_broadcast():
    assert by_workers(lambda cluster: (cluster.chief, cluster.broadcast_from_chief(7.0 + cluster.index))) == [
        (True, 7.0),
        (False, 7.0),
        (False, 7.0),
    ]


def test_chief_first_lets_the_others_begin_when_the_chief_is_done():
    done = []

    def work(cluster):
        with cluster.chief_first():
            done.append(cluster.chief)

    by_workers(work)
    assert done == [True, False, False]


def test_workers_that_differ_from_the_chief_are_named_on_all():
    errors = by_workers(lambda cluster: cluster.check_same("step", float(cluster.index == 1)))
    assert len(errors) == 3
    assert all(str(error).startswith("The step of worker 1 differs from the chief's.") for error in errors)
    assert by_workers(lambda cluster: cluster.check_same("step", 5.0)) == [None] * 3


def test_one_process_is_its_own_chief():
    assert ALONE.chief and ALONE.replicas.count == 1
    assert ALONE.any_worker(True, False) == [True, False] and ALONE.broadcast_from_chief(3.0) == 3.0


class StopElsewhere(Alone):
    """A cluster in which another worker gets a signal during step `at`; this one may be the chief or not."""

    def __init__(self, at, index):
        super().__init__()
        self.index, self.at, self.agreed = index, at, 0

    def all_reduce_numbers(self, numbers):
        if len(numbers) == 2:  # stop, and at rest
            self.agreed += 1
            return [numbers[0] + (self.agreed > self.at), numbers[1]]
        return super().all_reduce_numbers(numbers)


@pytest.mark.parametrize("index", [0, 1])
def test_a_signal_to_one_worker_stops_and_only_the_chief_writes(letters, tmp_path, index, monkeypatch):
    hparams = HPARAM_SETS["multimodel_demo"]().override(
        "hidden_size=8,encoder_blocks=0,mixer_blocks=0,decoder_blocks=1,experts=0,attention=False,batch_size=64"
    )
    run = Trainer(
        {"first": letters["first"]},
        hparams,
        RunConfig(output_dir=tmp_path, train_steps=5, summaries=False, local_eval_frequency=1, eval_steps=1),
        cluster=StopElsewhere(2, index),
    )
    step = iter(range(1, 6))
    monkeypatch.setattr(
        loop, "take_step", lambda progress, *rest: setattr(progress, "step", next(step))
    )  # what is decided between steps matters here
    monkeypatch.setattr(run, "results", lambda problems, permuted, stop=None: [])
    outcome = run.train_and_evaluate()
    assert (run.step, outcome.stop.exit_code) == (2, 128 + signal.SIGTERM)
    written = sorted(path.name for path in tmp_path.iterdir())
    if index:
        assert written == []
    else:
        assert {"model.ckpt-2.safetensors", "log.jsonl", "lock", "eval"} <= set(written)
        assert json.loads((tmp_path / "log.jsonl").read_text().splitlines()[0])["kind"] == "start"


def test_another_backend_than_tensorflow_and_jax_refuses_a_cluster(monkeypatch):
    monkeypatch.setattr("keras.backend.backend", lambda: "torch")
    with pytest.raises(UserError, match="KERAS_BACKEND=torch and 2 workers"):
        join(ClusterSpec(("a:1", "b:1"), 0), print)


def test_without_a_cluster_spec_there_is_one_process():
    assert join(None, print) is ALONE
