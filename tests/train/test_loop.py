"""The course of a run: averaged weights, faults and policies, what cannot be saved or read, and who holds it."""

import dataclasses
import json
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest

from t2t_mm.errors import UserError
from t2t_mm.train import checkpoint

if keras.backend.backend() != "tensorflow":
    pytest.skip("XLA would compile for an hour", allow_module_level=True)
from t2t_mm.train.progress import IN_FLIGHT

pytestmark = pytest.mark.usefixtures("eager")


def everything(run):
    return run.net.tensors() | run.optimizer.tensors()


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        np.testing.assert_array_equal(other[name], tensor, err_msg=name)


def poison(run, monkeypatch, steps, times=1000):
    """Let the loss of `steps` count NaN times, at most `times` times in all."""
    train, left = run.steps.train, [times]

    def poisoned(batches, step, rate, multiplier):
        if step in steps and left[0]:
            left[0] -= 1
            multiplier = np.nan
        return train(batches, step, rate, multiplier)

    monkeypatch.setattr(run.steps, "train", poisoned)


@pytest.mark.parametrize("choice", ["uniform", "adaptive"])
def test_where_steps_are_under_way_a_skipped_one_leaves_the_same(trainer, tmp_path, monkeypatch, choice):
    ends = []
    for under_way in (0, 1):
        monkeypatch.setitem(IN_FLIGHT, "tensorflow", under_way)
        run = trainer(tmp_path / str(under_way), f"not_finite=skip,problem_choice={choice}")
        poison(run, monkeypatch, {3, 5, 8})
        run.train()
        ends.append((everything(run), run.mixer.state()))
    assert_same(ends[0][0], ends[1][0])
    assert ends[0][1] == ends[1][1]


def test_a_step_that_is_skipped_moves_nothing_and_the_next_takes_the_next_batch(trainer, tmp_path, monkeypatch):
    run = trainer(tmp_path, "not_finite=skip", save_checkpoints_steps=1, keep_checkpoint_max=0)
    poison(run, monkeypatch, {3, 5, 8})
    run.train()
    assert (run.step, run.positions) == (8, {"first": 8})
    saved = {step: checkpoint.load(checkpoint.path_of(tmp_path, step)) for step in checkpoint.steps(tmp_path)}
    assert list(saved) == [1, 2, 3, 4, 5, 6, 7, 8]
    same = [step for step in range(2, 9) if all((saved[step][0][n] == t).all() for n, t in saved[step - 1][0].items())]
    assert same == [3, 5, 8]
    assert saved[4][1]["positions"] == {"first": 4}
    written = json.loads((tmp_path / "faults" / "step-3.json").read_text())
    assert (written["problem"], written["policy"], written["batches"][0]["position"]) == ("first", "skip", 2)
    assert written["batches"][0]["examples"] == list(run.batches["first"].batch(2).ids)


def test_a_run_that_skips_all_the_time_stops(trainer, tmp_path, monkeypatch):
    run = trainer(tmp_path, "not_finite=skip", train_steps=100)
    poison(run, monkeypatch, range(100))
    with pytest.raises(UserError, match="10 steps in a row were skipped before. The run is saved"):
        run.train()
    assert checkpoint.steps(tmp_path) == [10]


def test_a_run_goes_back_to_its_checkpoint_and_on_with_the_data_behind(trainer, tmp_path, monkeypatch):
    run = trainer(tmp_path, "not_finite=rollback", save_checkpoints_steps=2, keep_checkpoint_max=0)
    poison(run, monkeypatch, {6}, times=1)
    run.train()
    assert (run.step, run.positions) == (8, {"first": 10})  # steps 5 and 6 were taken twice
    four, six = (checkpoint.load(checkpoint.path_of(tmp_path, step))[1]["positions"] for step in (4, 6))
    assert (four, six) == ({"first": 4}, {"first": 8})
    other = trainer(tmp_path / "other", "not_finite=rollback", save_checkpoints_steps=2)
    poison(other, monkeypatch, {6})
    with pytest.raises(UserError, match="The run went back to step 4 3 times before."):
        other.train()


def test_a_stop_saves_what_stood_before_and_the_same_command_takes_the_step_again(trainer, tmp_path, monkeypatch):
    alone = trainer(tmp_path / "alone", "accumulate_batches=2,optimizer=adafactor,ema_decay=0.9")
    assert alone.plan()[0].epochs == 16 / len(alone.batches["first"])
    alone.train()
    assert alone.positions == {"first": 16}
    run = trainer(tmp_path / "run", "accumulate_batches=2,optimizer=adafactor,ema_decay=0.9")
    with monkeypatch.context() as patch:
        poison(run, patch, {5})
        with pytest.raises(UserError, match=r"norm nan at step 5, in .*, on examples train/\d+, .*not_finite=skip"):
            run.train()
    assert checkpoint.steps(tmp_path / "run") == [4]
    again = trainer(tmp_path / "run", "accumulate_batches=2,optimizer=adafactor,ema_decay=0.9")
    again.train()
    assert_same(everything(alone), everything(again))
    with pytest.raises(UserError, match="was trained with optimizer=adafactor; received adam"):
        trainer(tmp_path / "run")


@pytest.fixture
def damaged(letters, tmp_path, flip):
    """The problem "first" with a damaged record in its training split, and one in its dev split."""
    folder = shutil.copytree(letters["first"].folder, tmp_path / "data" / "first")
    for split in ("train", "dev"):
        flip(folder / letters["first"].manifest.splits[split].shards[0].file, 3)
    return dataclasses.replace(letters["first"], folder=folder)


def test_a_corrupt_record_ends_a_run_saved_and_named(trainer, tmp_path, damaged):
    run = trainer(tmp_path / "run", "batch_size=400", train_steps=100, ready=damaged)
    with pytest.raises(
        UserError, match=r"Record 3 of 50 in .* an example of first: .* The run is saved after step \d+;"
    ):
        run.train()
    assert checkpoint.steps(tmp_path / "run") == [run.step] and run.step < 100


def test_a_run_without_its_corrupt_records_repeats_itself_bit_for_bit(trainer, tmp_path, damaged):
    alone = trainer(
        tmp_path / "alone", "corrupt_record=skip,batch_size=400", train_steps=8, ready=damaged, local_eval_frequency=4
    )
    [result] = alone.train_and_evaluate().results
    assert (result.examples, len(result.corrupt)) == (22, 1)
    first = trainer(tmp_path / "run", "corrupt_record=skip,batch_size=400", train_steps=8, ready=damaged)
    first.train(until=3)
    again = trainer(tmp_path / "run", "corrupt_record=skip,batch_size=400", train_steps=8, ready=damaged)
    again.train()
    assert_same(everything(alone), everything(again))
    told = [json.loads(line) for line in (tmp_path / "alone" / "log.jsonl").read_text().splitlines()]
    assert [line["so_far"] for line in told if line["kind"] == "corrupt"] == [1, 2]


def test_averaged_weights_are_evaluated_and_the_others_trained_on(trainer, tmp_path):
    run = trainer(tmp_path / "run", "ema_decay=0.9999,learning_rate=0.1", train_steps=6)
    run.train()
    tensors, _ = checkpoint.load(checkpoint.path_of(tmp_path / "run", 6))
    before = everything(run)
    [result] = run.evaluate(permuted=False)
    assert_same(before, everything(run))
    plain = trainer(tmp_path / "plain")
    plain.net.restore(checkpoint.weights_of(tensors))
    assert plain.evaluate(permuted=False)[0].metrics == result.metrics
    plain.net.restore(tensors)
    assert plain.evaluate(permuted=False)[0].metrics != result.metrics


def test_a_broken_checkpoint_is_set_aside_and_the_one_before_is_used(trainer, tmp_path):
    run = trainer(tmp_path / "run", train_steps=4, save_checkpoints_steps=2)
    run.train()
    path = checkpoint.path_of(tmp_path / "run", 4)
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    said = []
    again = trainer(tmp_path / "run", train_steps=4, save_checkpoints_steps=2, report=said.append)
    assert again.step == 2
    assert len(said) == 1 and "model.ckpt-4.safetensors is broken" in said[0] and "safetensors.broken" in said[0]
    again.train()
    assert_same(everything(run), everything(again))


def test_a_save_that_fails_is_said_and_training_goes_on(trainer, tmp_path, monkeypatch, capsys):
    run = trainer(tmp_path, train_steps=6, save_checkpoints_steps=2)
    save, failed = checkpoint.save, []

    def full(folder, step, *rest):
        if step == 4:
            failed.append(step)
            shutil.rmtree(folder / "eval", ignore_errors=True)
            raise UserError("model.ckpt-4.safetensors could not be written: No space left on device.")
        return save(folder, step, *rest)

    monkeypatch.setattr(checkpoint, "save", full)
    run.train()
    assert failed == [4]
    assert checkpoint.steps(tmp_path) == [2, 6]
    assert "No space left on device. Training goes on." in " ".join(capsys.readouterr().err.split())


def test_a_second_process_is_refused_with_who_holds_the_run(trainer, tmp_path):
    script = f"""
import sys
from pathlib import Path
from t2t_mm.train.run_lock import run_lock
with run_lock(Path({str(tmp_path)!r})):
    print("held", flush=True)
    sys.stdin.read()
"""
    run = trainer(tmp_path, train_steps=1)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", script], **pipes) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(UserError, match=f"Another process is training in .*: process {other.pid} on "):
            run.train()
        other.kill()
    run.train()
    assert run.step == 1
