"""The averager as a command."""

import numpy as np

from t2t_mm.train import checkpoint


def test_the_newest_checkpoints_of_a_run_become_one_to_decode_with(command, tmp_path):
    for step in range(1, 8):
        checkpoint.save(tmp_path / "run", step, {"net/kernel": np.full(2, step, np.float32)}, {}, keep=0)
    done = command("avg_checkpoints", "--output_dir=run")
    assert done.returncode == 0, done.stderr
    assert "model.ckpt-3.safetensors, model.ckpt-4.safetensors" in done.stdout
    assert "t2t-mm-decoder --output_dir=run --checkpoint_path=run/averaged.safetensors" in done.stdout
    tensors, _ = checkpoint.load(tmp_path / "run" / "averaged.safetensors")
    np.testing.assert_array_equal(tensors["net/kernel"], [5, 5])

    done = command("avg_checkpoints", "--checkpoints=run/model.ckpt-1,2", "--output_path=two.safetensors")
    assert done.returncode == 0, done.stderr
    tensors, _ = checkpoint.load(tmp_path / "two.safetensors")
    np.testing.assert_array_equal(tensors["net/kernel"], [1.5, 1.5])


def test_the_output_names_the_written_path_and_how_many_checkpoints_there_were(command, tmp_path):
    for step in (3, 4):
        checkpoint.save(tmp_path / "run", step, {"net/kernel": np.full(2, step, np.float32)}, {}, keep=0)
    done = command("avg_checkpoints", "--output_dir=run", "--output_path=run/mean", "--num_last_checkpoints=50")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(
        "run holds 2 checkpoints, not 50: all are averaged.\nrun/mean.safetensors holds the mean"
    )
    assert "--checkpoint_path=run/mean.safetensors" in done.stdout
    assert (tmp_path / "run" / "mean.safetensors").is_file() and not (tmp_path / "run" / "mean").exists()
    before = checkpoint.path_of(tmp_path / "run", 4).read_bytes()
    done = command("avg_checkpoints", "--output_dir=run", "--output_path=run/model.ckpt-4.safetensors")
    assert done.returncode == 1 and "exists already and would be overwritten" in done.stderr
    assert checkpoint.path_of(tmp_path / "run", 4).read_bytes() == before


def test_checkpoints_without_a_mean_are_an_error_of_one_sentence(command, tmp_path):
    checkpoint.save(tmp_path / "run", 1, {"net/kernel": np.ones(2)}, {}, keep=0)
    for arguments, sentence in (
        ((), "--output_dir is missing"),
        (("--output_dir=run",), "A mean needs two checkpoints or more; found in run: model.ckpt-1.safetensors."),
        (("--output_dir=run", "--checkpoints=1,5"), "There is no checkpoint 5. Steps with a checkpoint in run: 1."),
        (("--output_dir=run", "--checkpoints=1,5", "--num_last_checkpoints=3"), "not both"),
    ):
        done = command("avg_checkpoints", *arguments)
        assert done.returncode == 1 and sentence in done.stderr, done.stderr
