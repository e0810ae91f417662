"""Runs: trained, stopped, resumed, evaluated, refused."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest

import t2t_mm
from t2t_mm.errors import UserError
from t2t_mm.registry import HPARAM_SETS
from t2t_mm.train import checkpoint

if keras.backend.backend() != "tensorflow":
    pytest.skip("TensorFlow trains", allow_module_level=True)
from t2t_mm.train.estimator import Estimator, Habits

TINY = (
    "hidden_size=8,encoder_blocks=1,mixer_blocks=1,decoder_blocks=1,experts=4,expert_size=6,attention_heads=2,"
    "dropout=0.1,batch_size=64,buckets=2,learning_rate_warmup_steps=5"
)
HPARAMS = HPARAM_SETS["multimodel_demo"]().override(TINY)
BY_HAND = Habits(save_seconds=0, eval_every=0)


@pytest.fixture
def estimator(words, tmp_path):
    """An estimator of the named problems in tmp_path / folder."""

    def make(problems, folder="run", hparams=HPARAMS, train_steps=8, habits=BY_HAND, seed=3):
        chosen = {name: words[name] for name in problems.split()}
        return Estimator(chosen, hparams, tmp_path / folder, seed=seed, train_steps=train_steps, habits=habits)

    return make


def everything(estimator):
    """All that a checkpoint holds."""
    return estimator.net.tensors() | estimator.optimiser.tensors()


def assert_same_run(one, other):
    assert (one.step, one.positions, one.mixer.state()) == (other.step, other.positions, other.mixer.state())
    mine, theirs = everything(one), everything(other)
    assert mine.keys() == theirs.keys()
    for name, tensor in mine.items():
        np.testing.assert_array_equal(tensor, theirs[name], err_msg=name)


@pytest.mark.parametrize(
    ("problems", "changes"),
    [("capitals first", ""), ("first last", "problem_choice=adaptive,problem_floor=0.1,learning_rate=20")],
)
def test_a_run_that_was_stopped_ends_as_one_left_alone(estimator, problems, changes):
    hparams = HPARAMS.override(changes)
    alone = estimator(problems, "alone", hparams)
    assert not alone.train().asked
    estimator(problems, "stopped", hparams).train(until=3)
    resumed = estimator(problems, "stopped", hparams)
    assert resumed.step == 3
    resumed.train()
    assert_same_run(resumed, alone)
    assert alone.step == 8
    assert sum(alone.positions.values()) == 8 and min(alone.positions.values()) > 1


def test_a_signal_ends_the_run_after_the_step_under_way_and_saves_it(estimator, tmp_path, monkeypatch):
    run = estimator("first")
    monkeypatch.setattr(run.mixer, "observe", lambda name, nats: run.step == 2 and os.kill(os.getpid(), signal.SIGTERM))
    stop = run.train()
    assert stop.asked and stop.exit_code == 143
    assert run.step == 2
    assert checkpoint.steps(tmp_path / "run") == [2]
    tensors, state = checkpoint.load(checkpoint.latest(tmp_path / "run"))
    assert state["step"] == 2 and state["positions"] == {"first": 2}
    for name, tensor in everything(run).items():
        np.testing.assert_array_equal(tensors[name], tensor)


def test_checkpoints_come_as_often_as_asked_and_as_many_are_kept(estimator, tmp_path):
    run = estimator("first", train_steps=7, habits=Habits(save_seconds=0, save_every=2, keep=2, eval_every=0))
    run.train()
    assert checkpoint.steps(tmp_path / "run") == [6, 7]


def test_training_and_evaluating_writes_results_on_the_way_and_for_every_problem(estimator, tmp_path):
    run = estimator("first last", train_steps=4, habits=Habits(save_seconds=0, eval_every=2))
    run.train_and_evaluate()
    results = run.evaluate()
    assert [(result.problem, result.examples) for result in results] == [("first", 23), ("last", 23)]
    assert all(result.standing.permuted_nats is not None for result in results)
    assert sorted(path.name for path in (tmp_path / "run" / "eval").iterdir()) == ["results-2.json", "results-4.json"]
    on_the_way = json.loads((tmp_path / "run" / "eval" / "results-2.json").read_text())
    assert sorted(on_the_way["problems"]) == ["first", "last"]
    [(named, _)] = [(result.problem, result) for result in run.evaluate(["last"], permuted=False)]
    assert named == "last"


def test_a_loss_that_is_not_finite_stops_with_problem_step_and_examples(estimator, tmp_path):
    run = estimator("first")
    run.train(until=1)
    weight = run.net.trainable_variables[0]
    weight.assign(np.full(weight.shape, np.nan))
    with pytest.raises(UserError, match=r"The loss of first is nan .* at step 2, on examples train/\d+, ") as raised:
        run.train()
    assert "model.ckpt-1.safetensors" in str(raised.value)
    assert checkpoint.steps(tmp_path / "run") == [1]
    assert run.step == 1


def test_a_checkpoint_of_another_architecture_is_refused(estimator):
    estimator("first").train(until=1)
    with pytest.raises(UserError, match=r"model.ckpt-1.safetensors is of another architecture: .*\(8,.* there, \(16,"):
        estimator("first", hparams=HPARAMS.override("hidden_size=16"))
    with pytest.raises(UserError, match="is of another architecture: .*there, absent here"):
        estimator("first", hparams=HPARAMS.override("experts=0"))


def test_a_checkpoint_of_another_seed_or_other_problems_is_refused(estimator):
    estimator("first last").train(until=1)
    with pytest.raises(UserError, match="trained with --random_seed=3; received 4"):
        estimator("first last", seed=4)
    with pytest.raises(UserError, match="was interleaving first, last; it cannot go on with first"):
        estimator("first")


def test_equal_seeds_start_alike_and_others_do_not(estimator):
    one, same, other = (estimator("first", folder, seed=seed) for folder, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert_same_run(one, same)
    assert any((tensor != everything(other)[name]).any() for name, tensor in everything(one).items())


def test_what_was_learnt_can_be_predicted(estimator):
    run = estimator("first", hparams=HPARAMS.override("learning_rate=5"), train_steps=150)
    run.train()
    [result] = run.evaluate()
    assert result.standing.learnt and result.metrics["accuracy"] > 0.9
    answers = run.predict("first", ["abcd", "cab", "dd"])
    assert [answer.text for answer in answers] == ["a", "c", "d"]


@pytest.mark.slow
def test_a_real_process_stopped_by_sigterm_goes_on_to_the_same_weights(tmp_path):
    """The trainer as a user runs it, on problems of two kinds, against one that was left alone."""
    package = str(Path(t2t_mm.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": package, "TF_CPP_MIN_LOG_LEVEL": "3"}

    def trainer(folder):
        return [
            *(sys.executable, "-m", "t2t_mm.bin.trainer", "--problems=image_shapes,parsing_grammar"),
            *("--hparams_set=multimodel_demo", f"--hparams={TINY.replace('batch_size=64', 'batch_size=256')}"),
            *("--train_steps=200", "--schedule=train", "--save_checkpoints_steps=5", "--keep_checkpoint_max=0"),
            *(f"--data_dir={tmp_path / 'data'}", f"--output_dir={tmp_path / folder}", f"--tmp_dir={tmp_path}"),
        ]

    subprocess.run(trainer("alone"), env=environment, check=True, capture_output=True, timeout=600)
    process = subprocess.Popen(trainer("stopped"), env=environment, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not checkpoint.steps(tmp_path / "stopped"):
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=600)
    assert process.returncode == 143
    stopped_at = checkpoint.steps(tmp_path / "stopped")[-1]
    assert f"stopped after step {stopped_at} and saved; the same command goes on" in said
    assert stopped_at < 200
    subprocess.run(trainer("stopped"), env=environment, check=True, capture_output=True, timeout=600)
    (tensors, state), (others, other_state) = (
        checkpoint.load(checkpoint.path_of(tmp_path / folder, 200)) for folder in ("alone", "stopped")
    )
    assert state == other_state
    assert tensors.keys() == others.keys()
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(tensor, others[name], err_msg=name)
