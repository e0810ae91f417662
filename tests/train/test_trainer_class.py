"""Runs: trained, stopped, resumed, evaluated, refused."""

import json
import os
import shutil
import signal
import traceback
from pathlib import Path

import keras
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import t2t_mm
from t2t_mm.errors import UserError
from t2t_mm.models.net import Net
from t2t_mm.registry import HPARAM_SETS
from t2t_mm.train import checkpoint

if keras.backend.backend() != "tensorflow":
    pytest.skip("XLA would compile for an hour", allow_module_level=True)
from t2t_mm.run_config import RunConfig
from t2t_mm.train.progress import IN_FLIGHT
from t2t_mm.train.trainer import Trainer

TINY = (
    "hidden_size=8,encoder_blocks=1,mixer_blocks=0,decoder_blocks=1,experts=4,expert_size=6,attention_heads=2,"
    "dropout=0.1,batch_size=64,buckets=2,learning_rate_schedule=constant,learning_rate=0.01,learning_rate_warmup_steps=0"
)
HPARAMS = HPARAM_SETS["multimodel_demo"]().override(TINY)


@pytest.fixture(scope="module")
def trainer(letters):
    """An trainer of the named problems in a folder."""

    def make(problems, folder, *, hparams=HPARAMS, **fields):
        chosen = {name: letters[name] for name in problems.split()}
        quiet = {"save_checkpoints_secs": 0, "local_eval_frequency": 0, "random_seed": 3, "train_steps": 8}
        return Trainer(chosen, hparams, RunConfig(output_dir=folder, **{**quiet, **fields}))

    return make


@pytest.fixture(scope="module")
def finished(trainer, tmp_path_factory):
    """A run on two problems, trained and evaluated to its end, and how that went."""
    folder = tmp_path_factory.mktemp("finished")
    hparams = HPARAMS.override("dropout=0,batch_size=256")  # enough to learn from, whatever the machine rounds
    saves = {"save_checkpoints_steps": 90, "keep_checkpoint_max": 2, "local_eval_frequency": 50}
    run = trainer("first last", folder, hparams=hparams, train_steps=100, **saves)
    return run, run.train_and_evaluate()


def test_nothing_is_traced_anew_once_every_kind_was_met(finished):
    run, _ = finished
    epochs = [batches.batch(place) for batches in run.batches.values() for place in range(len(batches))]
    assert len({batch.shapes["inputs/ids"] for batch in epochs}) > 1
    # A step, an evaluation and one of permuted inputs, which asks for less: for both problems and all shapes.
    assert run.steps.traced == 3


def test_from_train_to_the_loss_of_the_net_a_reader_goes_through_few_functions_and_files(
    trainer, tmp_path, monkeypatch
):
    calls, loss = [], Net.loss

    def recorded(*given):
        package = str(Path(t2t_mm.__file__).parent)
        frames = [frame for frame in traceback.extract_stack() if frame.filename.startswith(package)]
        calls.append([*((Path(frame.filename).name, frame.name) for frame in frames), ("net.py", "loss")])
        return loss(*given)

    monkeypatch.setattr(Net, "loss", recorded)
    trainer("first", tmp_path, train_steps=1).train()
    [way] = calls
    assert [name for _, name in way] == [
        *("train", "run", "take_step", "train", "step", "gradients_of", "objective", "loss")
    ]
    assert list(dict.fromkeys(file for file, _ in way)) == [
        *("trainer.py", "loop.py", "steps.py", "tensorflow_steps.py", "net.py")
    ]


def everything(run):
    """All that a checkpoint holds."""
    return run.net.tensors() | run.optimizer.tensors()


@pytest.mark.slow
def test_a_run_that_goes_on_from_a_checkpoint_ends_as_one_left_alone(trainer, tmp_path):
    hparams = HPARAMS.override("problem_choice=adaptive,problem_floor=0.1,attention=False")
    alone = trainer("capitals first", tmp_path / "alone", hparams=hparams, save_checkpoints_steps=4)
    assert not alone.train().stop.requested
    (tmp_path / "resumed").mkdir()
    shutil.copy(checkpoint.path_of(tmp_path / "alone", 4), tmp_path / "resumed")
    resumed = trainer("capitals first", tmp_path / "resumed", hparams=hparams)
    assert resumed.step == 4
    assert min(resumed.positions.values()) > 0
    resumed.train()
    assert alone.step == resumed.step == 8
    assert alone.positions == resumed.positions
    assert sum(alone.positions.values()) == 8
    assert alone.mixer.state() == resumed.mixer.state()
    resumed_tensors = everything(resumed)
    for name, tensor in everything(alone).items():
        np.testing.assert_array_equal(resumed_tensors[name], tensor, err_msg=name)


@pytest.mark.usefixtures("eagerly")
def test_a_signal_saves_the_step_under_way_and_a_loss_that_is_not_finite_moves_nothing(trainer, tmp_path, monkeypatch):
    run = trainer("first", tmp_path)
    monkeypatch.setattr(run.mixer, "observe", lambda name, nats: run.step == 2 and os.kill(os.getpid(), signal.SIGTERM))
    stop = run.train().stop
    assert stop.requested and stop.exit_code == 143
    assert run.step == 2
    assert checkpoint.steps(tmp_path) == [2]
    tensors, state = checkpoint.load(checkpoint.path_of(tmp_path, 2))
    assert (state["step"], state["positions"]) == (2, {"first": 2})
    for name, tensor in everything(run).items():
        np.testing.assert_array_equal(tensors[name], tensor)

    weight = run.net.trainable_variables[0]
    weight.assign(np.full(weight.shape, np.nan))
    with pytest.raises(UserError, match=r"The loss of first is nan .* at step 3, .* on examples train/\d+, ") as raised:
        run.train()
    assert f"The first tensor that is not finite is the weight {weight.path}." in str(raised.value)
    assert checkpoint.steps(tmp_path) == [2]
    assert run.step == 2


@pytest.mark.slow
@pytest.mark.parametrize("train_steps", [1, 5])
def test_where_steps_are_under_way_a_loss_that_is_not_finite_takes_the_run_back_to_before(
    trainer, tmp_path, monkeypatch, train_steps
):
    monkeypatch.setitem(IN_FLIGHT, keras.backend.backend(), 1)
    run = trainer("first", tmp_path, train_steps=train_steps, save_checkpoints_steps=2)
    run.net.trainable_variables[0].assign(np.full(run.net.trainable_variables[0].shape, np.nan))
    with pytest.raises(UserError, match=r"The loss of first is nan .* at step 1, in .*, on examples train/\d+, "):
        run.train()
    assert run.step == 0 and run.positions == {"first": 0} and checkpoint.steps(tmp_path) == [0]


def test_checkpoints_come_as_often_as_asked_and_as_many_are_kept(finished):
    assert checkpoint.steps(finished[0].output_dir) == [90, 100]


def test_every_problem_is_evaluated_whole_on_the_way_and_at_the_end(finished):
    run, outcome = finished
    assert [(result.problem, result.examples) for result in outcome.results] == [("first", 23), ("last", 23)]
    written = {path.name: json.loads(path.read_text()) for path in (run.output_dir / "eval").iterdir()}
    assert sorted(written) == ["results-100.json", "results-50.json"]
    assert all(sorted(content["problems"]) == ["first", "last"] for content in written.values())
    for result in outcome.results:
        assert result.metrics.keys() == {"neg_log_perplexity", "accuracy"}
        assert result.standing.permuted_nats is not None


def test_every_evaluation_shows_an_example_and_the_loads_of_the_experts_in_tensorboard(finished):
    events = EventAccumulator(str(finished[0].output_dir), size_guidance={"scalars": 0}).Reload()
    assert {"examples-first/card", "examples-last/card"} <= set(events.Tags()["tensors"])
    for name in ("first", "last"):
        assert [event.step for event in events.Tensors(f"examples-{name}/card")] == [50, 100]
        assert [event.step for event in events.Images(f"experts-{name}/load")] == [50, 100]
        assert [event.step for event in events.Scalars(f"experts-{name}/encoder/experts/busiest")] == [50, 100]


@pytest.mark.slow
def test_a_run_may_show_nothing(trainer, tmp_path):
    run = trainer("first", tmp_path, train_steps=1, summaries=False)
    run.train_and_evaluate()
    tags = EventAccumulator(str(tmp_path)).Reload().Tags()
    assert "metrics-first/accuracy" in tags["scalars"]
    assert not tags["images"] and not tags["tensors"]
    assert not [tag for tag in tags["scalars"] if tag.startswith("experts")]


def test_a_problem_is_learnt_from_its_input(finished):
    first, _ = finished[1].results
    assert first.standing.learnt
    assert first.metrics["accuracy"] > first.unigram_accuracy


def test_predictions_are_as_right_as_the_evaluation_says(finished):
    run, outcome = finished
    examples = [example.values for example in run.problems["first"].problem.source.examples("dev", Path())]
    answers = run.predict("first", [values["inputs"] for values in examples])
    right = np.mean([answer.text == values["targets"] for answer, values in zip(answers, examples, strict=True)])
    assert right == pytest.approx(outcome.results[0].metrics["accuracy"])


def test_some_problems_can_be_evaluated_alone(finished, trainer):
    [result] = finished[0].evaluate(["last"], permuted=False)
    assert result.problem == "last"
    assert result.standing.permuted_nats is None
    assert result.metrics == finished[1].results[1].metrics


def test_a_checkpoint_of_another_architecture_is_refused(trainer, finished):
    folder = finished[0].output_dir
    with pytest.raises(
        UserError, match=r"ckpt-100.safetensors is of another architecture: .*8\) there, \(5, 16\) here"
    ):
        trainer("first last", folder, hparams=HPARAMS.override("hidden_size=16"))
    with pytest.raises(UserError, match="is of another architecture: .*there, absent here"):
        trainer("first last", folder, hparams=HPARAMS.override("experts=0"))


def test_a_checkpoint_of_another_seed_or_other_problems_is_refused(trainer, finished):
    folder = finished[0].output_dir
    with pytest.raises(UserError, match="trained with --random_seed=3; received 4"):
        trainer("first last", folder, random_seed=4)
    with pytest.raises(UserError, match="was interleaving first, last; it cannot go on with first"):
        trainer("first", folder)


def test_a_mean_of_checkpoints_is_no_checkpoint_to_go_on_from(trainer, tmp_path):
    weights = trainer("first", tmp_path).net.tensors()
    checkpoint.write(checkpoint.path_of(tmp_path, 9), weights, {"averaged": []})
    with pytest.raises(UserError, match=r"ckpt-9\.safetensors holds only weights, so that training cannot continue"):
        trainer("first", tmp_path)


def test_equal_seeds_start_alike_and_others_do_not(trainer, tmp_path):
    one, same, other = (everything(trainer("first", tmp_path, random_seed=seed)) for seed in (1, 1, 2))
    for name, tensor in one.items():
        np.testing.assert_array_equal(same[name], tensor)
    assert any((tensor != other[name]).any() for name, tensor in one.items())
