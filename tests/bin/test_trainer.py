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
def test_gin_says_how_many_steps_and_a_flag_wins_even_at_its_default(command, tmp_path):
    for flags, steps in (((), "3"), (("--train_steps=250000",), "250,000")):
        plan = command("trainer", *COMMON, "--gin_param=run.train_steps = 3", "--dry_run", *flags)
        assert plan.returncode == 0, plan.stderr
        assert f"Plan: {steps} steps" in plan.stdout
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_check_tells_of_data_and_memory_and_writes_no_run(command, tmp_path):
    done = command("trainer", *COMMON, "--check", "--verify")
    assert done.returncode == 0, done.stderr
    rows = {
        tuple(cells[:2]): cells
        for line in done.stdout.splitlines()
        if (cells := [cell.strip() for cell in line.strip("|").split("|")])[0] == "image_shapes"
    }
    assert rows["image_shapes", "train"][2:] == ["4,500", "4,500", "-", "-", "0.00%", "yes"]
    assert rows["image_shapes", "dev"][2:4] == ["450", "450"]
    step = rows["image_shapes", "inputs 64x32x32x3, targets 64"]
    assert float(step[2].removesuffix(" GB")) > 0.1 and step[-1] == "yes"
    assert done.stdout.endswith("All checks passed.\n")
    assert not (tmp_path / "run").exists()

    shard = tmp_path / "data" / "image_shapes" / "dev-00000-of-00001.array_record"
    shard.write_bytes(shard.read_bytes()[:-1] + b"?")
    damaged = command("trainer", *COMMON, "--check", "--verify")
    assert damaged.returncode == 1
    assert f"t2t-mm-trainer: {shard.relative_to(tmp_path)} is not what was written: checksum" in damaged.stderr
    assert "One step on the largest batch" not in damaged.stdout


@pytest.mark.slow
def test_there_is_nothing_to_evaluate_before_a_checkpoint(command):
    done = command("trainer", *COMMON, "--schedule=evaluate")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        1,
        "t2t-mm-trainer: There is no checkpoint in run to evaluate.",
    )
