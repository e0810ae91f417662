"""Two processes that train one run, for tests: what they do, how they are started and how one of them is killed.

As a script, with the folders of the data and of the run: one of these processes, or a run of one where no cluster is
named.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from small_runs import quiet_config

from t2t_mm.errors import UserError
from t2t_mm.registry import HPARAM_SETS
from t2t_mm.train import checkpoint
from t2t_mm.train.distributed.cluster import ALONE
from t2t_mm.train.distributed.cluster_spec import VARIABLE, members
from t2t_mm.train.distributed.join import join
from t2t_mm.train.trainer import Trainer

STEPS, KILLED_AT = 6, 4
HPARAMS = HPARAM_SETS["multimodel_demo"]().override(
    "hidden_size=8,encoder_blocks=1,mixer_blocks=0,decoder_blocks=1,experts=4,expert_size=6,attention=False,dropout=0.2,"
    "expert_capacity=0.7,balance_loss=0.1,batch_size=60,buckets=2,accumulate_batches=2,clip_grad_norm=0.3,"
    "weight_decay=0.01,learning_rate_schedule=constant,learning_rate=0.01,learning_rate_warmup_steps=0"
)
if keras.backend.backend() == "jax":  # one shape of batches, to compile little, and of eight rows: no empty ones
    HPARAMS = HPARAMS.override("batch_size=64,buckets=1")


def two_workers(*given: object, backend: str = "") -> tuple[list[int], list[str]]:
    """The exit codes of both processes of a script with its arguments, and what they printed on stderr."""
    with socket.socket() as one, socket.socket() as other:
        one.bind(("localhost", 0))
        other.bind(("localhost", 0))
        addresses = [f"localhost:{each.getsockname()[1]}" for each in (one, other)]
    processes = []
    for index in range(2):
        config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        processes.append(_started(given, backend, {VARIABLE: json.dumps(config)}))
    printed = [process.communicate(timeout=600)[1] for process in processes]
    return [process.returncode for process in processes], printed


def one_process(*given: object, backend: str) -> None:
    """The same in one process."""
    process = _started(given, backend, {VARIABLE: ""})
    printed = process.communicate(timeout=600)[1]
    assert process.returncode == 0, printed


def _started(given: tuple[object, ...], backend: str, more: dict[str, str]) -> "subprocess.Popen[str]":
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TF_CPP_MIN_LOG_LEVEL": "3", **more}
    if backend:
        environment["KERAS_BACKEND"] = backend
    return subprocess.Popen([sys.executable, *map(str, given)], env=environment, stderr=subprocess.PIPE, text=True)


def mortal(run, fault):
    """`run`; if `fault` names its worker ("kill 1"), that is killed when the time has come."""
    next_batches = run.progress.next_batches

    def fatal():
        if fault == f"kill {run.cluster.index}" and run.step + 1 == KILLED_AT:
            os.kill(os.getpid(), signal.SIGKILL)
        return next_batches()

    run.progress.next_batches = fatal
    return run


def run_of(ready, folder, cluster=ALONE):
    """A run of one problem, whose steps leave what they said in `said`."""
    config = quiet_config(folder, random_seed=3, train_steps=STEPS)
    run = Trainer({"first": ready}, HPARAMS, config, cluster=cluster)
    run.said, train = {}, run.steps.train

    def noted(batch, step, *rest):
        stepped = train(batch, step, *rest)
        reports = {name: np.array(report).tolist() for name, report in stepped.reports.items()}
        run.said[step] = {"nats": float(stepped.nats), "norm": float(stepped.gradient_norm), **reports}
        return stepped

    run.steps.train = noted
    return run


def work(data: str, folder: str, fault: str = "") -> int:
    """What each process does."""
    from small_runs import FirstLetter

    from t2t_mm.data.input.generated_problem import open_problem

    cluster = join(members(os.environ[VARIABLE]), lambda line: None)
    run = mortal(run_of(open_problem("first", FirstLetter, Path(data)), Path(folder), cluster), fault)
    return finish(run)


def finish(run):
    """Train a run of `run_of` to its end; the exit code."""
    outcome = run.train()
    if run.cluster.chief:
        (run.output_dir / "said.json").write_text(json.dumps(run.said))
    return outcome.stop.exit_code


def said(folder: Path) -> dict[str, dict[str, float]]:
    """By step, what a run of `work` said."""
    return dict(json.loads((folder / "said.json").read_text()))


def saved(folder):
    """The newest checkpoint: (tensors, state)."""
    return checkpoint.load_newest(folder, print)[1:]


def assert_same_steps(folder: Path, right: Path) -> None:
    """Of two runs of `work`: losses, norms and reports to 1e-4, and weights to 1e-3."""
    found, expected = said(folder), said(right)
    assert found.keys() == expected.keys() and len(found) == STEPS
    overflows = [value for said in expected.values() for name, value in said.items() if name.endswith("overflow")]
    assert max(overflows) > 0  # so that who is seated matters
    for step, each in expected.items():
        for name, value in each.items():
            np.testing.assert_allclose(found[step][name], value, rtol=1e-4, atol=1e-6, err_msg=f"{step} {name}")
    assert_same_weights(folder, right, rtol=1e-3, atol=1e-5)


def assert_same_weights(folder: Path, right: Path, rtol: float = 0.0, atol: float = 0.0) -> None:
    """All tensors of the newest checkpoints of two runs: to the last bit, unless something else is said."""
    got, expected = saved(folder)[0], saved(right)[0]
    assert got.keys() == expected.keys()
    for name, tensor in expected.items():
        np.testing.assert_allclose(got[name], tensor, rtol=rtol, atol=atol, err_msg=name)


def end(work: Callable[..., int]) -> None:
    """Do `work` as commands do: a fault of the user's is a sentence and code 1."""
    try:
        raise SystemExit(work(*sys.argv[1:]))
    except UserError as error:
        print(error, file=sys.stderr)
        raise SystemExit(1) from None


if __name__ == "__main__":
    end(work)
