"""Replay of steps with a non-finite loss."""

import json
import re

import keras
import pytest
from small_runs import quiet_config

from t2t_mm import run_directory
from t2t_mm.errors import UserError
from t2t_mm.registry import HPARAM_SETS, PROBLEMS
from t2t_mm.train import checkpoint

if keras.backend.backend() != "tensorflow":
    pytest.skip("XLA would compile for an hour", allow_module_level=True)
from t2t_mm.run_tools.replay import Fault, replay, replay_step
from t2t_mm.train.trainer import Trainer

HPARAMS = HPARAM_SETS["multimodel_demo"]().override(
    "hidden_size=8,encoder_blocks=0,mixer_blocks=0,decoder_blocks=1,experts=0,attention=False,dropout=0.1,batch_size=400,"
    "buckets=2,learning_rate_schedule=constant,learning_rate_warmup_steps=0"
)
DIVERGES = "learning_rate=1e30,clip_grad_norm=0"


@pytest.fixture(scope="module", autouse=True)
def eager():
    """Compute steps operation by operation: a few of them take less time than a compilation."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def run(letters, tmp_path):
    def make(changes, folder="run", workers=None, **fields):
        problems = {name: letters[name] for name in ("first", "last")}
        config = quiet_config(tmp_path / folder, random_seed=3, train_steps=9, **fields)
        return Trainer(problems, HPARAMS.override(changes), config, workers=workers)

    return make


def faults(folder):
    return sorted((folder / "faults").iterdir(), key=lambda path: int(re.findall(r"\d+", path.name)[0]))


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_step_that_stopped_a_run_is_replayed_and_the_same_tensor_is_named(run, tmp_path):
    with pytest.raises(UserError, match="The first tensor that is not finite is"):
        run(f"{DIVERGES},accumulate_batches=2").train()
    [path] = faults(tmp_path / "run")
    written = json.loads(path.read_text())
    before = contents(tmp_path / "run")
    lines = []
    result = replay_step(
        run(f"{DIVERGES},accumulate_batches=2", "nowhere"), Fault.read(path), tmp_path / "run", lines.append
    )
    assert (result.step, result.problem, result.saved) == (written["step"], written["problem"], written["step"] - 1)
    assert result.blame == written["blame"] and not result.finite and lines == []
    assert (repr(result.nats), repr(result.gradient_norm)) == (written["nats"], written["gradient_norm"])
    assert str(result).startswith(f"Step {result.step} of {result.problem}, replayed from model.ckpt-{result.saved}: ")
    assert contents(tmp_path / "run") == before


def test_a_run_without_parts_of_the_net_is_replayed_without_them(letters, tmp_path, forgetful_registries):
    PROBLEMS.register(letters["first"].problem, name="first")
    hparams, folder, left_out = HPARAMS.override(DIVERGES), tmp_path / "run", ("body/decoder",)
    config = quiet_config(folder, train_steps=9, left_out=left_out, problems=("first",), random_seed=0)
    trained = Trainer({"first": letters["first"]}, hparams, config)
    with pytest.raises(UserError, match="The first tensor that is not finite is"):
        trained.train()
    signatures = {"first": letters["first"].signature}
    run_directory.save(run_directory.RunRecord(run_config=config, hparams=hparams, problems=signatures), folder)
    [path] = faults(folder)
    result = replay(path, output_dir=folder, data_dir=letters["first"].folder.parent, report=print)
    assert result.blame == json.loads(path.read_text())["blame"] and not result.finite


def test_a_step_that_was_skipped_is_replayed_from_an_earlier_checkpoint(run, tmp_path):
    run(f"{DIVERGES},not_finite=skip", save_checkpoints_steps=1, keep_checkpoint_max=0).train(until=6)
    *_, path = faults(tmp_path / "run")
    last = Fault.read(path)
    for step in range(2, 7):
        checkpoint.path_of(tmp_path / "run", step).unlink()
    lines = []
    result = replay_step(run(f"{DIVERGES},not_finite=skip", "nowhere"), last, tmp_path / "run", lines.append)
    assert lines == [f"Taking steps 2 to {last.step - 1} again, from the last checkpoint before the fault."]
    assert last.step > 2 and result.blame == json.loads(path.read_text())["blame"] and not result.finite


def test_a_step_of_workers_with_a_problem_each_is_skipped_by_all_and_replayed_by_one_process(run, tmp_path):
    changes = f"{DIVERGES},not_finite=skip,problem_choice=distributed"
    done = run(changes, workers=2, save_checkpoints_steps=1, keep_checkpoint_max=0)
    done.train(until=5)
    assert done.positions == {"first": 5, "last": 5}
    *_, path = faults(tmp_path / "run")
    written, fault = json.loads(path.read_text()), Fault.read(path)
    assert fault.workers == 2 and fault.problem == ["first", "last"][fault.worker]
    result = replay_step(run(changes, "nowhere", workers=2), fault, tmp_path / "run", lambda line: None)
    assert (result.blame, repr(result.nats)) == (written["blame"], written["nats"]) and not result.finite
    with pytest.raises(UserError, match="is not the one in"):
        replay_step(run(DIVERGES, "alone"), fault, tmp_path / "run", lambda line: None)


def test_a_step_replayed_from_other_weights_may_be_finite(run, tmp_path):
    with pytest.raises(UserError):
        run(DIVERGES).train()
    [path] = faults(tmp_path / "run")
    run("", "untrained").save()
    checkpoint.path_of(tmp_path / "untrained", 0).rename(checkpoint.path_of(tmp_path / "run", 0))
    checkpoint.path_of(tmp_path / "run", Fault.read(path).step - 1).unlink()
    result = replay_step(run("learning_rate=0.01", "nowhere"), Fault.read(path), tmp_path / "run", lambda line: None)
    assert result.finite and result.blame == "Computed again, operation by operation, everything is finite."


def test_the_checkpoint_that_is_needed_is_named(run, tmp_path):
    with pytest.raises(UserError):
        run(DIVERGES).train()
    fault = Fault.read(faults(tmp_path / "run")[0])
    checkpoint.path_of(tmp_path / "run", fault.step - 1).unlink()
    with pytest.raises(
        UserError, match=f"needs the checkpoint of step {fault.step - 1} or an earlier one; .* has none"
    ):
        replay_step(run(DIVERGES, "nowhere"), fault, tmp_path / "run", print)


def test_a_run_that_had_rolled_back_or_has_other_data_is_refused(run, tmp_path, monkeypatch):
    with pytest.raises(UserError):
        run(DIVERGES).train()
    path = faults(tmp_path / "run")[0]
    content = json.loads(path.read_text())
    content["batches"][0]["position"] += 5
    path.write_text(json.dumps(content))
    with pytest.raises(
        UserError, match="had rolled back before it and continued with other data. The checkpoint of step"
    ):
        replay_step(run(DIVERGES, "nowhere"), Fault.read(path), tmp_path / "run", print)
    content["batches"][0]["position"] -= 5
    content["batches"][0]["examples"][0] = "train/another"
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match="has other examples than in"):
        replay_step(run(DIVERGES, "nowhere"), Fault.read(path), tmp_path / "run", print)
