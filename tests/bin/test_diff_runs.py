"""t2t-mm-diff-runs as a command."""

import json
import shutil

import numpy as np
import pytest

from t2t_mm.train import checkpoint

SMALL = "hidden_size=8,encoder_blocks=0,mixer_blocks=0,decoder_blocks=1,experts=0,attention=False,batch_size=64"


def save(folder, step, value):
    checkpoint.save(folder, step, {"net/body/kernel": np.full(3, value, np.float32)}, {"step": step}, keep=0)
    (folder / "config.json").write_text(json.dumps({"seed": 0}))


def test_two_runs_are_compared_and_the_exit_code_tells_if_they_differ(command, tmp_path):
    for step in (10, 20, 30):
        save(tmp_path / "one", step, step)
        save(tmp_path / "two", step, step + 0.5 * (step > 10))
    done = command("diff_runs", "one", "two")
    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout.splitlines() == [
        "Settings are equal.",
        "No log line covers the same steps in both runs.",
        "Checkpoints of step 20 differ; those of step 10 are equal. Differences:",
        "  net/body/kernel: 3 of 3 numbers differ, by 0.5 at most; the first at [0]: 20.0 and 20.5",
    ]
    same = command("diff_runs", "one", "one")
    assert same.returncode == 0, same.stderr
    assert same.stdout.endswith("Checkpoints are equal at all 3 steps that both runs saved (step 30 was compared).\n")
    checkpoint.path_of(tmp_path / "one", 30).write_bytes(b"half")
    (tmp_path / "two" / "config.json").write_text("null")
    partly = command("diff_runs", "one", "two")
    assert partly.returncode == 3 and "Checkpoints of step 20 differ" in partly.stdout
    assert partly.stdout.startswith("Settings cannot be compared.\n")
    assert (
        "read:\n  two/config.json contains null, which is not what a trainer writes.\n  The checkpoint one/"
        in partly.stdout
    )
    alone = command("diff_runs", "one")
    assert alone.returncode == 1 and "Name two run directories" in alone.stderr and "received one." in alone.stderr
    foreign = command("diff_runs", "one", "two", "--again")
    assert foreign.returncode == 1 and "t2t-mm-diff-runs: " in foreign.stderr and "Traceback" not in foreign.stderr


@pytest.mark.slow
def test_runs_trained_again_show_the_exact_step_that_differs(command, tmp_path):
    def train(folder, hparams=SMALL):
        flags = ("--problems=image_shapes", "--hparams_set=multimodel_demo", "--data_dir=data", "--schedule=train")
        times = ("--train_steps=12", "--save_checkpoints_steps=6")
        done = command("trainer", *flags, *times, f"--hparams={hparams}", f"--output_dir={folder}")
        assert done.returncode == 0, done.stderr

    train("one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    last = checkpoint.path_of(tmp_path / "two", 12)
    last.unlink()
    train("two", f"{SMALL},learning_rate=0.1")
    tensors, state = checkpoint.load(last)
    name = next(name for name in tensors if name.startswith("net/image"))
    checkpoint.write(last, tensors | {name: tensors[name] + np.float32(1)}, state)  # as no command would have it

    done = command("diff_runs", "one", "two", "--again")
    assert done.returncode == 3, done.stderr
    lines = done.stdout.splitlines()
    assert "  training.learning_rate: 0.3 and 0.1" in lines
    assert "Checkpoints of step 12 differ; those of step 6 are equal. Differences:" in lines
    assert "Training both runs again from step 6 to 12, with a checkpoint after every step." in lines
    assert "The first run repeats its own checkpoint of step 12." in lines
    assert "The second run does not repeat its own checkpoint of step 12." in lines
    assert "Trained again, the runs first differ at step 7. Differences:" in lines
