"""The message of the next process about one that ended in its first use of a batch shape, and about others."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import t2t_mm
from t2t_mm.data.input.batch import Batch
from t2t_mm.errors import UserError
from t2t_mm.hparam_set import DataHparams
from t2t_mm.train.memory import first_use
from t2t_mm.train.memory.first_use import GuardedEvaluator, NewShapes, OutOfMemory

HPARAMS = DataHparams(batch_size=640)


def batch(rows, length):
    ids = np.zeros((rows, length), "int32")
    return Batch(
        "first", 0, (), {"inputs": {"ids": ids, "lengths": np.zeros(rows, "int32")}, "targets": {"class": ids[0]}}
    )


def note(folder):
    return json.loads((folder / "first_use.json").read_text())


def test_a_note_stands_while_a_shape_is_used_for_the_first_time(tmp_path):
    uses = NewShapes(tmp_path, HPARAMS)
    with uses.of("a step on", 7, [batch(4, 8), batch(2, 9)]) as new:
        assert new
        written = note(tmp_path)
        assert (written["problem"], written["step"], written["process"]) == ("first", 7, os.getpid())
        assert written["shapes"] == {"inputs/ids": "4x8", "inputs/lengths": "4", "targets/class": "8"}
    assert list(tmp_path.iterdir()) == []
    for again in ([batch(2, 9)], [batch(4, 8), batch(4, 8)]):
        with uses.of("a step on", 8, again) as new:
            assert not new and list(tmp_path.iterdir()) == []
    for what, other in (("a step on", batch(4, 12)), ("the evaluation of", batch(4, 8))):
        with uses.of(what, 9, [batch(4, 8), other] if what == "a step on" else [other]) as new:
            assert new and note(tmp_path)["shapes"]["inputs/ids"] == "x".join(
                map(str, other.arrays["inputs"]["ids"].shape)
            )


def test_the_shapes_of_parallel_batches_count_as_one_shape(tmp_path):
    uses = NewShapes(tmp_path, HPARAMS)
    for batches, unknown in (([batch(4, 8)], True), ([batch(2, 9)], True)):
        with uses.of("a step on", 7, batches * 2, at_once=2) as new:
            assert new == unknown
    with uses.of("a step on", 8, [batch(2, 9), batch(4, 8), batch(2, 9), batch(2, 9)], at_once=2) as new:
        assert new and (note(tmp_path)["shapes"]["inputs/ids"], note(tmp_path)["at_once"]) == ("4x8", 2)
    with uses.of("a step on", 9, [batch(2, 9), batch(4, 8)], at_once=2) as new:
        assert not new
    with pytest.raises(OutOfMemory, match="Lower batches_at_once, which is 2, or batch_size, which is"):
        with uses.of("a step on", 9, [batch(2, 9), batch(4, 8)], at_once=2):
            raise MemoryError


def test_another_exception_leaves_no_note(tmp_path):
    uses = NewShapes(tmp_path, HPARAMS)
    for error in (ValueError("other"), KeyboardInterrupt()):
        with pytest.raises(type(error)), uses.of("a step on", 7, [batch(4, 8)]):
            raise error
        assert uses.left() == "" and list(tmp_path.iterdir()) == []
    with uses.of("a step on", 7, [batch(4, 8)]) as new:
        assert new  # since it did not succeed before


class XlaRuntimeError(RuntimeError):
    """By the name that JAX gives it."""


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        XlaRuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 16106127360 bytes."),
        type("ResourceExhaustedError", (Exception,), {})("OOM when allocating tensor with shape[4096,4096]"),
    ],
)
def test_an_out_of_memory_exception_is_reported_with_what_to_lower(tmp_path, error):
    uses = NewShapes(tmp_path, HPARAMS)
    sentence = (
        r"Out of memory at step 7, in a step on a batch of first of inputs/ids 4x8, .* Lower batch_size, which is 640"
    )
    with pytest.raises(OutOfMemory, match=sentence), uses.of("a step on", 7, [batch(4, 8)]):
        raise error

    class Evaluator:
        def evaluate_batch(self, batch, metrics):
            raise error

    with pytest.raises(UserError, match="in the evaluation of a batch of first") as caught:
        GuardedEvaluator(Evaluator(), uses, 9).evaluate_batch(batch(4, 8), ["accuracy"])
    assert not isinstance(caught.value, OutOfMemory)  # the weights are unchanged
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_backends_own_exception_is_recognised(tmp_path):
    with pytest.raises(OutOfMemory), NewShapes(tmp_path, HPARAMS).of("a step on", 7, [batch(4, 8)]):
        keras.ops.convert_to_numpy(keras.ops.ones((2**46,), "float32"))  # 256 TiB


def left(folder, monkeypatch, **changes):
    """Return what the next process says of one that died in a first use, after these changes of the machine."""
    uses = NewShapes(folder, HPARAMS)
    uses._write(uses._use("a step on", 12, [batch(4, 8)]))
    with monkeypatch.context() as patch:
        for name, value in changes.items():
            patch.setattr(first_use, name, lambda value=value: value)
        message = NewShapes(folder, HPARAMS).left()
    assert not (folder / "first_use.json").exists() and NewShapes(folder, HPARAMS).left() == ""
    return message


def test_the_next_process_reports_how_many_processes_the_kernel_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(first_use, "_killed_by_kernel", lambda: 3)
    monkeypatch.setattr(first_use, "_boot", lambda: "one")
    died = f"The process before this one ({os.getpid()} on "
    assert left(tmp_path, monkeypatch).startswith(died)
    none = "the kernel has killed no process for that since then, so it may have been killed by hand. Lower"
    assert none in left(tmp_path, monkeypatch)
    two = "ran out of memory: processes killed by the kernel for that since then: 2. Lower"
    assert two in left(tmp_path, monkeypatch, _killed_by_kernel=5)
    assert "It probably ran out of memory. Lower" in left(tmp_path, monkeypatch, _killed_by_kernel=None)
    assert left(tmp_path, monkeypatch, _boot="two") == ""  # the machine was restarted, which ended the process


def test_a_note_that_cannot_be_written_or_read_does_not_end_a_run(tmp_path):
    (tmp_path / "file").write_text("")
    with NewShapes(tmp_path / "file", HPARAMS).of("a step on", 7, [batch(4, 8)]) as new:
        assert new
    (tmp_path / "first_use.json").write_text('{"what": ')
    assert NewShapes(tmp_path, HPARAMS).left() == ""
    assert NewShapes(None, HPARAMS).left() == ""


SCRIPT = """
import os, resource, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import tensorflow as tf
from small_runs import FirstLetter, quiet_config
from t2t_mm.data.input.generated_problem import open_problem
from t2t_mm.registry import HPARAM_SETS
from t2t_mm.train.trainer import Trainer
from t2t_mm.train.memory.memory_limit import process_memory

tf.config.run_functions_eagerly(True)
mode = sys.argv[1]
hparams = HPARAM_SETS["multimodel_demo"]().override(
    "hidden_size=8,encoder_blocks=0,mixer_blocks=0,decoder_blocks=1,experts=0,attention=False,buckets=3,"
    "learning_rate_schedule=constant,learning_rate=0.01,batch_size=" + ("2000000" if mode == "limit" else "64")
)
problems = {{"first": open_problem("first", FirstLetter, Path({data!r}))}}
config = quiet_config(Path({folder!r}), save_checkpoints_steps=1, random_seed=3, train_steps=40)
run = Trainer(problems, hparams, config)
train, save, seen = run.steps.train, run.save, set()

def watched(batches, step, *rest):
    shape = batches[0].arrays["inputs"]["ids"].shape
    if seen and shape not in seen:
        if mode == "first":
            print(f"dies at {{step}} of {{shape[0]}}x{{shape[1]}}", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        if mode == "stopped":
            os.kill(os.getpid(), signal.SIGTERM)
    if mode == "limit":
        most = process_memory(what="VmSize") + 2**26
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    seen.add(shape)
    return train(batches, step, *rest)

def saved():
    if mode == "elsewhere" and run.began:
        os.kill(os.getpid(), signal.SIGKILL)
    return save()

run.steps.train, run.save = watched, saved
sys.exit(run.train().stop.exit_code)
"""


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="XLA would compile for an hour")
class TestProcesses:
    """Real processes that are really killed."""

    @pytest.fixture
    def process(self, letters, tmp_path):
        places = {"tests": str(Path(__file__).parents[2]), "data": str(letters["first"].folder.parent)}
        script = SCRIPT.format(**places, folder=str(tmp_path / "run"))
        environment = {**os.environ, "PYTHONPATH": str(Path(t2t_mm.__file__).parents[1]), "TF_CPP_MIN_LOG_LEVEL": "3"}

        def start(mode):
            command = [sys.executable, "-c", script, mode]
            return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)

        return start

    def test_only_a_process_that_dies_in_a_first_use_is_reported_by_the_next_one(self, process, tmp_path):
        killed = process("first")
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        _, _, step, _, shape = killed.stdout.split()
        assert note(tmp_path / "run")["step"] == int(step)

        elsewhere = process("elsewhere")
        assert elsewhere.returncode == -signal.SIGKILL, elsewhere.stderr
        printed = " ".join(elsewhere.stderr.split())
        assert f"ended without a message at step {step}, begun" in printed
        assert f"in a step on a batch of first of inputs/ids {shape}" in printed
        assert "Lower batch_size, which is 64" in printed
        assert not (tmp_path / "run" / "first_use.json").exists()

        stopped = process("stopped")
        assert stopped.returncode == 143 and "without a message" not in stopped.stderr
        assert NewShapes(tmp_path / "run", HPARAMS).left() == ""

    def test_a_process_that_gets_no_memory_says_so_or_leaves_a_note(self, process, tmp_path):
        done = process("limit")
        printed = done.stderr + NewShapes(tmp_path / "run", HPARAMS).left()
        assert done.returncode != 0
        assert "at step 1, " in printed and "in a step on a batch of first of inputs/ids " in printed
        assert "Lower batch_size, which is 2,000,000" in " ".join(printed.split())
