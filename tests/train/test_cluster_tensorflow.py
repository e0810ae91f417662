"""Two processes on one host train as one does; what stops one of them stops both, and the run goes on exactly."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("on JAX one process has several devices", allow_module_level=True)
from t2t_mm.data.ready import open_problem
from t2t_mm.errors import UserError
from t2t_mm.registry import HPARAM_SETS
from t2t_mm.train import checkpoint
from t2t_mm.train.cluster import ALONE, join
from t2t_mm.train.estimator import Estimator, Habits
from t2t_mm.train.members import VARIABLE, members

STEPS, KILLED_AT = 6, 4
HPARAMS = HPARAM_SETS["multimodel_demo"]().override(
    "hidden_size=8,encoder_blocks=1,mixer_blocks=0,decoder_blocks=1,experts=4,expert_size=6,attention=False,dropout=0.2,"
    "expert_capacity=0.7,balance_loss=0.1,batch_size=60,buckets=2,accumulate_batches=2,clip_grad_norm=0.3,"
    "weight_decay=0.01,learning_rate_schedule=constant,learning_rate=0.01,learning_rate_warmup_steps=0"
)


def run_of(ready, folder, cluster=ALONE):
    """The run, whose steps leave what they said in `said`."""
    habits = Habits(eval_every=0, save_seconds=0, exhibit=False)
    run = Estimator({"first": ready}, HPARAMS, folder, seed=3, train_steps=STEPS, habits=habits, cluster=cluster)
    run.said, train = {}, run.steps.train

    def noted(batch, step, *rest):
        stepped = train(batch, step, *rest)
        reports = {name: np.array(report).tolist() for name, report in stepped.reports.items()}
        run.said[step] = {"nats": float(stepped.nats), "norm": float(stepped.gradient_norm), **reports}
        return stepped

    run.steps.train = noted
    return run


def work(data: str, folder: str, fault: str = "") -> int:
    """What each process does. If worker 1 is to be killed, it is when the time has come."""
    from conftest import FirstLetter  # which stands beside this file

    cluster = join(members(os.environ[VARIABLE]), lambda line: None)
    run = run_of(open_problem("first", FirstLetter, Path(data)), Path(folder), cluster)
    take = run.stepping.take

    def fatal(*given):
        if fault and not cluster.chief and run.step + 1 == KILLED_AT:
            os.kill(os.getpid(), signal.SIGKILL)
        take(*given)

    run.stepping.take = fatal
    outcome = run.train()
    if cluster.chief:
        (Path(folder) / "said.json").write_text(json.dumps(run.said))
    return outcome.stop.exit_code


def two_workers(ready, folder, *fault):
    """The exit codes of both, and what they printed."""
    with socket.socket() as one, socket.socket() as other:
        one.bind(("localhost", 0))
        other.bind(("localhost", 0))
        addresses = [f"localhost:{each.getsockname()[1]}" for each in (one, other)]
    processes = []
    for index in range(2):
        config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        environment = {**os.environ, VARIABLE: json.dumps(config), "PYTHONPATH": os.pathsep.join(sys.path)}
        given = [sys.executable, __file__, str(ready.folder.parent), str(folder), *fault]
        processes.append(subprocess.Popen(given, env=environment, stderr=subprocess.PIPE, text=True))
    printed = [process.communicate(timeout=600)[1] for process in processes]
    return [process.returncode for process in processes], printed


def tensors(folder):
    return checkpoint.load_newest(folder, print)[1]


@pytest.fixture(scope="module")
def together(letters, tmp_path_factory):
    """The folder of an undisturbed run of two workers."""
    folder = tmp_path_factory.mktemp("together")
    codes, printed = two_workers(letters["first"], folder)
    assert codes == [0, 0], printed
    return folder


@pytest.mark.slow
def test_two_workers_do_what_one_does(letters, together, tmp_path):
    run = run_of(letters["first"], tmp_path)
    run.train()
    found = {int(step): said for step, said in json.loads((together / "said.json").read_text()).items()}
    assert found.keys() == run.said.keys() and len(found) == STEPS
    overflows = [value for said in run.said.values() for name, value in said.items() if name.endswith("overflow")]
    assert max(overflows) > 0  # so that who is seated matters
    for step, said in run.said.items():
        for name, value in said.items():
            np.testing.assert_allclose(found[step][name], value, rtol=1e-4, atol=1e-6, err_msg=f"{step} {name}")
    right, got = tensors(tmp_path), tensors(together)
    assert right.keys() == got.keys()
    for name, tensor in right.items():
        np.testing.assert_allclose(got[name], tensor, rtol=1e-3, atol=1e-5, err_msg=name)


@pytest.mark.slow
def test_a_worker_that_is_killed_ends_both_and_the_run_goes_on_exactly(letters, together, tmp_path):
    codes, printed = two_workers(letters["first"], tmp_path, "killed")
    assert codes == [1, -signal.SIGKILL], printed
    assert "Worker 0 of 2 stops: worker 1 (localhost:" in printed[0]
    assert checkpoint.load_newest(tmp_path, print)[2]["step"] == KILLED_AT - 1
    codes, printed = two_workers(letters["first"], tmp_path)
    assert codes == [0, 0], printed
    right, got = tensors(together), tensors(tmp_path)
    assert right.keys() == got.keys()
    for name, tensor in right.items():
        np.testing.assert_array_equal(got[name], tensor, err_msg=name)


if __name__ == "__main__":
    try:
        raise SystemExit(work(*sys.argv[1:]))
    except UserError as error:
        print(error, file=sys.stderr)
        raise SystemExit(1) from None
