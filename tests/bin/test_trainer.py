"""The trainer as a command: what it says and how it ends."""

import json

import pytest

SMALL = "--hparams=hidden_size=16,encoder_blocks=1,mixer_blocks=1,decoder_blocks=1,experts=0,attention=False"
COMMON = ("--problems=image_shapes", "--hparams_set=multimodel_demo", SMALL, "--data_dir=data", "--output_dir=run")


@pytest.mark.slow
def test_a_run_is_planned_trained_evaluated_shown_and_goes_on(command, tmp_path):
    plan = command("trainer", *COMMON, "--train_steps=3", "--eval_steps=1", "--dry_run")
    assert plan.returncode == 0
    assert "Plan: 3 steps, problem_choice=uniform" in plan.stdout
    assert "Results" not in plan.stdout

    done = command("trainer", *COMMON, "--train_steps=3", "--eval_steps=1")
    assert done.returncode == 0, done.stderr
    assert "Results at step 3" in done.stdout
    assert "image_shapes dev/0" in done.stdout
    assert "right" in done.stdout
    results = json.loads((tmp_path / "run" / "eval" / "results-3.json").read_text())
    assert results["problems"]["image_shapes"]["standing"]["permuted_nats"] is not None

    more = command("trainer", "--output_dir=run", "--data_dir=data", "--train_steps=5", "--schedule=train")
    assert more.returncode == 0, more.stderr
    assert "Plan: 2 steps" in more.stdout
    assert "Results" not in more.stdout
    assert (tmp_path / "run" / "model.ckpt-5.safetensors").is_file()

    judged = command("trainer", "--output_dir=run", "--data_dir=data", "--schedule=evaluate", "--eval_steps=1")
    assert judged.returncode == 0, judged.stderr
    assert "Results at step 5" in judged.stdout


@pytest.mark.slow
def test_there_is_nothing_to_evaluate_before_a_checkpoint(command):
    done = command("trainer", *COMMON, "--schedule=evaluate")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        1,
        "t2t-mm-trainer: There is no checkpoint in run to evaluate.",
    )
