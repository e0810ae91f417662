"""Averages of checkpoints."""

import numpy as np
import pytest

from t2t_mm.errors import UserError
from t2t_mm.run_tools.average_checkpoints import average, check_output_path, choose_checkpoints
from t2t_mm.train import checkpoint


@pytest.fixture
def run(tmp_path):
    """Return a run with checkpoints 1 to 4: kernels (1, -1), (2, -2) ... with moments, the last one with an average."""
    for step in range(1, 5):
        tensors = {
            "net/kernel": np.array([step, -step], np.float32),
            "net/kernel/m": np.full(2, 100.0, np.float32),
            "net/commands/to-german": np.array([10.0 * step], np.float32),
            "steps/body/encoder": np.array([9.0], np.float32),
        }
        if step == 4:
            tensors["net/kernel/average"] = np.array([40.0, -40.0], np.float32)
        checkpoint.save(tmp_path, step, tensors, {"step": step}, keep=0)
    return tmp_path


def test_the_mean_of_the_newest_has_only_weights_and_the_names_of_its_checkpoints(run):
    path = average(choose_checkpoints(run, (), 3), run / "averaged.safetensors")
    tensors, state = checkpoint.load(path)
    assert tensors.keys() == {"net/kernel", "net/commands/to-german"}
    np.testing.assert_allclose(tensors["net/kernel"], [(2 + 3 + 40) / 3, -(2 + 3 + 40) / 3])
    np.testing.assert_allclose(tensors["net/commands/to-german"], [30])
    assert tensors["net/kernel"].dtype == np.float32
    assert state == {"averaged": [f"model.ckpt-{step}.safetensors" for step in (2, 3, 4)]}
    assert checkpoint.steps(run) == [1, 2, 3, 4]


@pytest.mark.parametrize("name", ["1", "model.ckpt-1", "model.ckpt-1.safetensors", "{run}/model.ckpt-1"])
def test_checkpoints_are_named_by_step_or_by_file(run, name):
    assert choose_checkpoints(run, (name.format(run=run), "3"), 5) == [checkpoint.path_of(run, step) for step in (1, 3)]


def test_missing_checkpoints_and_fewer_than_two_are_refused(run, tmp_path):
    with pytest.raises(UserError, match="There is no checkpoint 7. Steps with a checkpoint in .*: 1, 2, 3, 4"):
        choose_checkpoints(run, ("1", "7"), 5)
    with pytest.raises(UserError, match="needs two checkpoints or more; found in .*: model.ckpt-4.safetensors"):
        choose_checkpoints(run, (), 1)
    with pytest.raises(UserError, match="found in .*: none"):
        choose_checkpoints(tmp_path / "nowhere", (), 5)


def test_checkpoints_of_two_architectures_have_no_mean(run):
    checkpoint.save(run, 5, {"net/kernel": np.zeros(3, np.float32)}, {}, keep=0)
    with pytest.raises(UserError, match="is of another architecture"):
        average(choose_checkpoints(run, (), 2), run / "averaged.safetensors")
    assert not (run / "averaged.safetensors").exists()


@pytest.mark.parametrize("twice", [("5", "5"), ("4", "model.ckpt-4", "1"), ("3", "{run}/../{run.name}/model.ckpt-3")])
def test_a_checkpoint_that_is_named_twice_is_refused(run, twice):
    checkpoint.save(run, 5, {"net/kernel": np.zeros(2, np.float32)}, {}, keep=0)
    with pytest.raises(UserError, match=r"names model\.ckpt-[345]\.safetensors more than once"):
        choose_checkpoints(run, [name.format(run=run) for name in twice], 5)


def test_an_earlier_mean_may_be_overwritten(run):
    first = average(choose_checkpoints(run, (), 2), run / "averaged.safetensors")
    assert check_output_path(run, run / "averaged") == first


def test_existing_files_and_names_of_a_runs_checkpoints_are_not_written_to(run, tmp_path):
    for name in ("model.ckpt-4.safetensors", "model.ckpt-4"):
        with pytest.raises(UserError, match=r"model\.ckpt-4\.safetensors exists already and would be overwritten"):
            check_output_path(run, run / name)
    with pytest.raises(UserError, match="is the name of a checkpoint of the run"):
        check_output_path(run, run / "model.ckpt-9")
    other = tmp_path / "other"
    (other / "best").mkdir(parents=True)
    (other / "config.json").touch()
    for folder in (other, other / "best"):
        with pytest.raises(UserError, match=r"Choose another, such as .*averaged\.safetensors"):
            check_output_path(run, folder / "model.ckpt-9.safetensors")
    assert check_output_path(run, run / "mean") == run / "mean.safetensors"
    (tmp_path / "free").mkdir()
    assert (
        check_output_path(run, tmp_path / "free" / "a" / "model.ckpt-9")
        == tmp_path / "free" / "a" / "model.ckpt-9.safetensors"
    )


def test_training_does_not_continue_from_a_mean(run):
    path = average(choose_checkpoints(run, (), 3), run / "model.ckpt-9.safetensors")
    with pytest.raises(UserError, match="ckpt-9.safetensors holds only weights, so that training cannot continue"):
        checkpoint.check_goes_on(path, checkpoint.load(path)[1])
