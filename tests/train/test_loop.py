"""The course of a run: averaged weights, faults and policies, what cannot be saved or read, the best and the end."""

import dataclasses
import json
import shutil
import signal
import subprocess
import sys
import types

import keras
import numpy as np
import pytest

from t2t_mm.errors import UserError
from t2t_mm.registry import HPARAM_SETS
from t2t_mm.train import checkpoint, loop

if keras.backend.backend() != "tensorflow":
    pytest.skip("XLA would compile for an hour", allow_module_level=True)
from t2t_mm.train.estimator import Estimator, Habits
from t2t_mm.train.report import write_results
from t2t_mm.train.stepping import UNDER_WAY

HPARAMS = HPARAM_SETS["multimodel_demo"]().override(
    "hidden_size=8,encoder_blocks=0,mixer_blocks=0,decoder_blocks=1,experts=0,attention=False,dropout=0,batch_size=64,"
    "buckets=2,learning_rate_schedule=constant,learning_rate=0.01,learning_rate_warmup_steps=0"
)


@pytest.fixture(scope="module", autouse=True)
def eager():
    """Steps computed operation by operation: a few of them take less time than a compilation."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def estimator(letters):
    """An estimator of "first" in a folder, with changed hparams and habits."""

    def make(folder, changes="", *, train_steps=8, report=print, ready=letters["first"], **habits):
        habits = Habits(**{"save_seconds": 0, "eval_every": 0, "exhibit": False, **habits})
        hparams = HPARAMS.override(changes)
        return Estimator(
            {"first": ready}, hparams, folder, seed=3, train_steps=train_steps, habits=habits, report=report
        )

    return make


def everything(run):
    return run.net.tensors() | run.optimiser.tensors()


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        np.testing.assert_array_equal(other[name], tensor, err_msg=name)


def evaluations(folder):
    """The steps of the evaluations that the log tells of."""
    told = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line["step"] for line in told if line["kind"] == "evaluation"]


def poison(run, monkeypatch, steps, times=1000):
    """Let the loss of `steps` count NaN times, at most `times` times in all."""
    train, left = run.steps.train, [times]

    def poisoned(batch, step, rate, multiplier, others=()):
        if step in steps and left[0]:
            left[0] -= 1
            multiplier = np.nan
        return train(batch, step, rate, multiplier, others)

    monkeypatch.setattr(run.steps, "train", poisoned)


@pytest.mark.parametrize("choice", ["uniform", "adaptive"])
def test_where_steps_are_under_way_a_skipped_one_leaves_the_same(estimator, tmp_path, monkeypatch, choice):
    ends = []
    for under_way in (0, 1):
        monkeypatch.setitem(UNDER_WAY, "tensorflow", under_way)
        run = estimator(tmp_path / str(under_way), f"not_finite=skip,problem_choice={choice}")
        poison(run, monkeypatch, {3, 5, 8})
        run.train()
        ends.append((everything(run), run.mixer.state()))
    assert_same(ends[0][0], ends[1][0])
    assert ends[0][1] == ends[1][1]


def test_a_step_that_is_skipped_moves_nothing_and_the_next_takes_the_next_batch(estimator, tmp_path, monkeypatch):
    run = estimator(tmp_path, "not_finite=skip", save_every=1, keep=0)
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


def test_a_run_that_skips_all_the_time_stops(estimator, tmp_path, monkeypatch):
    run = estimator(tmp_path, "not_finite=skip", train_steps=100)
    poison(run, monkeypatch, range(100))
    with pytest.raises(UserError, match="10 steps in a row were skipped before. The run is saved"):
        run.train()
    assert checkpoint.steps(tmp_path) == [10]


def test_a_run_goes_back_to_its_checkpoint_and_on_with_the_data_behind(estimator, tmp_path, monkeypatch):
    run = estimator(tmp_path, "not_finite=rollback", save_every=2, keep=0)
    poison(run, monkeypatch, {6}, times=1)
    run.train()
    assert (run.step, run.positions) == (8, {"first": 10})  # steps 5 and 6 were taken twice
    four, six = (checkpoint.load(checkpoint.path_of(tmp_path, step))[1]["positions"] for step in (4, 6))
    assert (four, six) == ({"first": 4}, {"first": 8})
    other = estimator(tmp_path / "other", "not_finite=rollback", save_every=2)
    poison(other, monkeypatch, {6})
    with pytest.raises(UserError, match="The run went back to step 4 3 times before."):
        other.train()


def test_a_stop_saves_what_stood_before_and_the_same_command_takes_the_step_again(estimator, tmp_path, monkeypatch):
    alone = estimator(tmp_path / "alone", "accumulate_batches=2,optimizer=adafactor,ema_decay=0.9")
    assert alone.plan()[0].epochs == 16 / len(alone.batches["first"])
    alone.train()
    assert alone.positions == {"first": 16}
    run = estimator(tmp_path / "run", "accumulate_batches=2,optimizer=adafactor,ema_decay=0.9")
    with monkeypatch.context() as patch:
        poison(run, patch, {5})
        with pytest.raises(UserError, match=r"norm nan at step 5, in .*, on examples train/\d+, .*not_finite=skip"):
            run.train()
    assert checkpoint.steps(tmp_path / "run") == [4]
    again = estimator(tmp_path / "run", "accumulate_batches=2,optimizer=adafactor,ema_decay=0.9")
    again.train()
    assert_same(everything(alone), everything(again))
    with pytest.raises(UserError, match="was trained with optimizer=adafactor; received adam"):
        estimator(tmp_path / "run")


@pytest.fixture
def damaged(letters, tmp_path, flip):
    """The problem "first" with a damaged record in its training split, and one in its dev split."""
    folder = shutil.copytree(letters["first"].folder, tmp_path / "data" / "first")
    for split in ("train", "dev"):
        flip(folder / letters["first"].manifest.splits[split].shards[0].file, 3)
    return dataclasses.replace(letters["first"], folder=folder)


def test_a_corrupt_record_ends_a_run_saved_and_named(estimator, tmp_path, damaged):
    run = estimator(tmp_path / "run", "batch_size=400", train_steps=100, ready=damaged)
    with pytest.raises(
        UserError, match=r"Record 3 of 50 in .* an example of first: .* The run is saved after step \d+;"
    ):
        run.train()
    assert checkpoint.steps(tmp_path / "run") == [run.step] and run.step < 100


def test_a_run_without_its_corrupt_records_repeats_itself_bit_for_bit(estimator, tmp_path, damaged):
    alone = estimator(
        tmp_path / "alone", "corrupt_record=skip,batch_size=400", train_steps=8, ready=damaged, eval_every=4
    )
    [result] = alone.train_and_evaluate().results
    assert (result.examples, len(result.corrupt)) == (22, 1)
    first = estimator(tmp_path / "run", "corrupt_record=skip,batch_size=400", train_steps=8, ready=damaged)
    first.train(until=3)
    again = estimator(tmp_path / "run", "corrupt_record=skip,batch_size=400", train_steps=8, ready=damaged)
    again.train()
    assert_same(everything(alone), everything(again))
    told = [json.loads(line) for line in (tmp_path / "alone" / "log.jsonl").read_text().splitlines()]
    assert [line["so_far"] for line in told if line["kind"] == "corrupt"] == [1, 2]


def test_averaged_weights_are_evaluated_and_the_others_trained_on(estimator, tmp_path):
    run = estimator(tmp_path / "run", "ema_decay=0.9999,learning_rate=0.1", train_steps=6)
    run.train()
    tensors, _ = checkpoint.load(checkpoint.path_of(tmp_path / "run", 6))
    before = everything(run)
    [result] = run.evaluate(permuted=False)
    assert_same(before, everything(run))
    plain = estimator(tmp_path / "plain")
    plain.net.restore(checkpoint.weights_of(tensors))
    assert plain.evaluate(permuted=False)[0].metrics == result.metrics
    plain.net.restore(tensors)
    assert plain.evaluate(permuted=False)[0].metrics != result.metrics


def test_a_broken_checkpoint_is_set_aside_and_the_one_before_is_used(estimator, tmp_path):
    run = estimator(tmp_path / "run", train_steps=4, save_every=2)
    run.train()
    path = checkpoint.path_of(tmp_path / "run", 4)
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    said = []
    again = estimator(tmp_path / "run", train_steps=4, save_every=2, report=said.append)
    assert again.step == 2
    assert len(said) == 1 and "model.ckpt-4.safetensors is broken" in said[0] and "safetensors.broken" in said[0]
    again.train()
    assert_same(everything(run), everything(again))


def test_a_save_that_fails_is_said_and_training_goes_on(estimator, tmp_path, monkeypatch, capsys):
    run = estimator(tmp_path, train_steps=6, save_every=2)
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


def test_a_best_checkpoint_is_not_lost_to_the_end_of_a_process_behind_its_evaluation(estimator, tmp_path, monkeypatch):
    def told(run):  # as by --schedule=evaluate, which keeps nothing
        write_results(tmp_path, run.step, run.results(list(run.problems), permuted=False, stop=None))

    habits = {"eval_every": 2, "save_every": 1, "best_metric": "first/accuracy"}
    first = estimator(tmp_path, train_steps=2, **habits)
    first.train()
    told(first)
    assert not (tmp_path / "best").exists()
    run = estimator(tmp_path, train_steps=3, **habits)
    monkeypatch.setattr(type(run.best.aim), "score", lambda self, results: 0.5)
    run.train_and_evaluate()
    assert checkpoint.steps(tmp_path / "best") == [2]


def test_a_fault_of_what_an_evaluation_shows_leaves_a_saved_run(estimator, tmp_path, monkeypatch):
    def fails(*given):
        raise ValueError("nothing to draw")

    monkeypatch.setattr(loop, "exhibit", fails)
    run = estimator(tmp_path, train_steps=4, eval_every=3, exhibit=True)
    with pytest.raises(ValueError, match="nothing to draw"):
        run.train_and_evaluate()
    assert checkpoint.steps(tmp_path) == [3]


def test_the_best_checkpoint_is_kept_and_a_run_that_gets_no_better_ends(estimator, tmp_path, monkeypatch):
    scores = iter([0.1, 0.5, 0.4, 0.45, 0.9])
    habits = {"eval_every": 2, "save_every": 100, "keep": 1, "best_metric": "first/accuracy", "patience": 4}
    run = estimator(tmp_path, train_steps=20, **habits)
    monkeypatch.setattr(type(run.best.aim), "score", lambda self, results: next(scores))
    outcome = run.train_and_evaluate()
    assert run.step == 8 and not outcome.stop.asked
    assert checkpoint.steps(tmp_path) == [8]
    kept = checkpoint.steps(tmp_path / "best")
    assert kept == [8]  # of the evaluation at the end, which scores 0.9
    assert json.loads((tmp_path / "best" / "best.json").read_text())["score"] == 0.9
    assert evaluations(tmp_path) == [2, 4, 6, 8, 8]


def test_an_evaluation_that_an_earlier_process_did_not_get_to_is_made_up_for(estimator, tmp_path):
    run = estimator(tmp_path, train_steps=2, save_every=2)
    run.train()
    later = estimator(tmp_path, train_steps=4, eval_every=2)
    later.train_and_evaluate()
    assert sorted(path.name for path in (tmp_path / "eval").iterdir()) == ["results-2.json", "results-4.json"]


def test_who_is_asked_to_stop_leaves_an_evaluation_and_makes_up_for_it(estimator, tmp_path, monkeypatch):
    run = estimator(tmp_path, train_steps=4, eval_every=2)
    judge, judged = run.steps.judge, []

    def judge_and_be_asked_to_stop(batch, metrics):
        if not judged:
            signal.raise_signal(signal.SIGTERM)  # to this thread, so that it is noted at once
        judged.append(batch.position)
        return judge(batch, metrics)

    monkeypatch.setattr(run.steps, "judge", judge_and_be_asked_to_stop)
    outcome = run.train_and_evaluate()
    assert (outcome.stop.exit_code, run.step, len(judged)) == (143, 2, 1)
    assert checkpoint.steps(tmp_path) == [2] and evaluations(tmp_path) == []
    later = estimator(tmp_path, train_steps=4, eval_every=2)
    later.train_and_evaluate()
    assert evaluations(tmp_path) == [2, 4]


def test_evaluations_come_by_steps_or_by_the_clock_whichever_is_first(estimator, tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("t2t_mm.train.loop.time", types.SimpleNamespace(monotonic=lambda: now[0]))
    evaluated = {}
    for name, habits in (("both", {"eval_every": 4, "eval_seconds": 30}), ("clock", {"eval_seconds": 30})):
        run = estimator(tmp_path / name, train_steps=10, **habits)
        train, results = run.steps.train, run.results

        def step_of_ten_seconds(*args, train=train):
            now[0] += 10
            return train(*args)

        def evaluation_of_a_minute(*args, results=results, **named):
            now[0] += 60
            return results(*args, **named)

        monkeypatch.setattr(run.steps, "train", step_of_ten_seconds)
        monkeypatch.setattr(run, "results", evaluation_of_a_minute)
        run.train_and_evaluate()
        evaluated[name] = evaluations(tmp_path / name)
    assert evaluated == {"both": [3, 4, 7, 8, 10], "clock": [3, 6, 9, 10]}


def test_a_run_that_ended_at_an_evaluation_by_the_clock_is_still_at_its_end(estimator, tmp_path, monkeypatch):
    now = iter(range(0, 100_000, 10))  # ten seconds from each look to the next
    monkeypatch.setattr("t2t_mm.train.loop.time", types.SimpleNamespace(monotonic=lambda: next(now)))
    habits = {"eval_seconds": 30, "best_metric": "first/accuracy", "best_delta": 1.0, "patience": 3}
    run = estimator(tmp_path, train_steps=100, **habits)
    run.train_and_evaluate()
    ended = run.step
    assert 3 < ended < 100
    again = estimator(tmp_path, train_steps=100, **habits)
    again.train_and_evaluate()
    assert again.step == ended
    went_on = estimator(tmp_path, train_steps=ended + 1)
    went_on.train_and_evaluate()
    assert went_on.step == ended + 1


def test_a_second_process_is_refused_with_who_holds_the_run(estimator, tmp_path):
    script = f"""
import sys
from pathlib import Path
from t2t_mm.train.lock import only_process
with only_process(Path({str(tmp_path)!r})):
    print("held", flush=True)
    sys.stdin.read()
"""
    run = estimator(tmp_path, train_steps=1)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", script], **pipes) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(UserError, match=f"Another process is training in .*: process {other.pid} on "):
            run.train()
        other.kill()
    run.train()
    assert run.step == 1
