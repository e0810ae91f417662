"""The trainer's --hparams_range: real trials, stopped and resumed; and the parts that need no training."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import t2t_mm
from t2t_mm.bin.search import evaluations_in, last_line, table_of, trial_flags
from t2t_mm.bin.trainer import parse_options, parser
from t2t_mm.errors import UnknownName, UserError
from t2t_mm.run_tools.hparam_search import FAILED, PRUNED, TRAINED, TrialOutcome
from t2t_mm.train.best_checkpoint import Aim

AIM = Aim((("shapes", "accuracy", 1.0),))
FLAGS = (
    "--problems=image_shapes",
    "--hparams_set=multimodel_demo",
    "--hparams_range=training_range",
    "--data_dir=data",
)
PLUGIN = '''"""Two rates and a width."""

from t2t_mm.hparam_ranges import Choice, Floats, Ranges
from t2t_mm.registry import HPARAM_RANGES


@HPARAM_RANGES.register
def few() -> Ranges:
    """For a test."""
    return {"learning_rate": Floats(0.1, 1.0, log=True), "hidden_size": Choice(8, 16)}
'''


def test_evaluations_are_read_as_they_come_and_half_a_line_waits(tmp_path):
    log = tmp_path / "log.jsonl"
    read = evaluations_in(log, AIM)
    assert next(read) == []

    def line(step, accuracy):
        return json.dumps({"kind": "evaluation", "step": step, "metrics": {"shapes": {"accuracy": accuracy}}}) + "\n"

    log.write_text('{"kind": "start", "step": 0}\n' + line(10, 0.25) + line(20, 0.5)[:30])
    assert next(read) == [(10, 0.25)]
    log.write_text(log.read_text() + line(20, 0.5)[30:] + line(10, 0.25) + line(30, float("nan")))
    assert next(read) == [(20, 0.5)]  # step 10 was evaluated again by a run that went on, step 30 has no score
    assert next(read) == []


def test_incomplete_lines_of_a_killed_trial_are_ignored(tmp_path):
    log = tmp_path / "log.jsonl"
    line = json.dumps({"kind": "evaluation", "step": 20, "metrics": {"shapes": {"accuracy": 0.5}}})
    odd = ('{"kind": "evaluation", "st', '{"kind": "evaluation", "step": 10}', "[1]", '{"step": 10}', "null")
    log.write_text("\n".join([*odd, line, ""]))
    read = evaluations_in(log, AIM)
    assert next(read) == [(20, 0.5)] and next(read) == []


def test_a_trial_is_trained_by_the_trial_flags_the_search_with_its_own_hparams_and_folder():
    flags = [*FLAGS, "--output_dir=out", "--best_metric=accuracy", "--hparams=experts=4", "--train_steps=30"]
    chosen = parse_options([*flags, "--trials=3", "--generate_data", "--gin_param=DataHparams.buckets = 2"])
    assert trial_flags(chosen.config, ("plugins",), "trial-002", {"learning_rate": 0.5, "dropout": 0.25}) == [
        "--problems=image_shapes",
        "--hparams_set=multimodel_demo",
        "--hparams=experts=4,learning_rate=0.5,dropout=0.25",
        "--data_dir=data",
        "--output_dir=out/trial-002",
        "--generate_data=True",
        "--train_steps=30",
        "--best_metric=accuracy",
        "--gin_param=DataHparams.buckets = 2",
        "--t2t_usr_dir=plugins",
    ]
    again = parse_options(trial_flags(chosen.config, (), "trial-002", {})).config
    assert (again.generate_data, again.output_dir, again.train_steps) == (True, Path("out/trial-002"), 30)


def test_trial_flags_a_search_have_their_t2t_names_as_aliases():
    options_of_t2t = parser().parse_args(["--autotune_objective=accuracy", "--autotune_max_trials=4"])
    assert (options_of_t2t.best_metric, options_of_t2t.trials) == ("accuracy", 4)


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--hparams_range=training_range"], "--hparams_range needs --problems and --hparams_set"),
        ([*FLAGS], "give --best_metric, such as image_shapes/accuracy"),
        ([*FLAGS, "--best_metric=accuracy", "--dry_run"], "trained and evaluated"),
        ([*FLAGS, "--best_metric=accuracy", "--schedule=train"], "trained and evaluated"),
        ([*FLAGS, "--best_metric=accuracy", "--output_dir=run"], "run holds a run"),
    ],
)
def test_flags_that_a_search_lacks_are_named(flags, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("run").mkdir()
    Path("run/config.json").write_text('{"plugins": []}')
    more = ["--gin_param=run.train_steps = 3"] if len(flags) == 1 else []
    with pytest.raises(UserError, match=re.escape(sentence)):
        parse_options([*flags, *more])


def test_an_unknown_range_gets_a_suggestion():
    with pytest.raises(UnknownName, match="Did you mean 'training_range'"):
        parse_options(["--problems=image_shapes", "--hparams_set=multimodel_demo", "--hparams_range=trainin_range"])


def test_the_table_has_the_best_trial_first_and_failures_last():
    chosen = parse_options([*FLAGS, "--output_dir=out", "--best_metric=accuracy"])
    trials = [
        TrialOutcome("trial-001", {"learning_rate": 0.123456, "experts": 8}, TRAINED, 0.5, 300),
        TrialOutcome("trial-002", {"learning_rate": 2.0, "experts": 8}, FAILED, None, None, "no"),
        TrialOutcome("trial-003", {"learning_rate": 0.7, "experts": 16}, PRUNED, 0.25, 1200),
        TrialOutcome("trial-004", {"learning_rate": 0.6, "experts": 16}, TRAINED, 0.75, 3000),
    ]
    assert table_of(chosen.config, trials).rows == [
        ("trial-004", "0.7500", "3,000", "trained", "0.6", "16"),
        ("trial-001", "0.5000", "300", "trained", "0.1235", "8"),
        ("trial-003", "0.2500", "1,200", "pruned", "0.7", "16"),
        ("trial-002", "-", "-", "failed", "2", "8"),
    ]


def test_the_last_line_of_a_trials_output_is_read(tmp_path):
    (tmp_path / "output.txt").write_bytes(b"compiling\nt2t-mm-trainer: no room \xff.\n\n")
    assert last_line(tmp_path / "output.txt") == "t2t-mm-trainer: no room \ufffd."


@pytest.mark.slow
def test_a_search_is_stopped_goes_on_and_names_the_best_as_a_command(command, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "__init__.py").write_text(PLUGIN)
    tiny = "encoder_blocks=1,mixer_blocks=0,decoder_blocks=1,experts=0,attention=False,image_size=16"
    flags = [
        "--problems=image_shapes",
        "--hparams_set=multimodel_demo",
        f"--hparams={tiny}",
        "--hparams_range=few",
        "--t2t_usr_dir=mine",
        "--data_dir=data",
        "--output_dir=out",
        "--train_steps=6",
        "--local_eval_frequency=3",
        "--eval_steps=1",
        "--best_metric=image_shapes/neg_log_perplexity",
        "--trials=3",
    ]
    package = str(Path(t2t_mm.__file__).parents[1])
    with subprocess.Popen(
        [sys.executable, "-m", "t2t_mm.bin.trainer", *flags],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": package},
        stderr=subprocess.PIPE,
        text=True,
    ) as first:
        assert first.stderr is not None
        first_trial = next(
            line for line in first.stderr if line.startswith("t2t-mm-trainer: trial-001: learning_rate=")
        )
        first.send_signal(signal.SIGTERM)
        errors = first.stderr.read()
    assert first.returncode == 143, errors
    assert errors.endswith("stopped; run the same command to resume the search.\n")

    done = command("trainer", *flags)
    assert done.returncode == 0, done.stderr
    assert first_trial in done.stderr, "the trial that was under way is taken up with its values"
    assert {path.name for path in (tmp_path / "out").glob("trial-*")} == {"trial-001", "trial-002", "trial-003"}
    rows = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith("| trial-")]
    assert len(rows) == 3 and all(row[2].strip() == "6" and row[3].strip() == "trained" for row in rows)
    scores = [float(row[1]) for row in rows]
    assert scores == sorted(scores, reverse=True) and all(score < 0 for score in scores)
    best = rows[0][0].removeprefix("| ").strip()
    assert f"The best trial is {best}." in done.stdout
    best_json = json.loads((tmp_path / "out" / best / "best" / "best.json").read_text())
    assert best_json["score"] == pytest.approx(scores[0], abs=1e-4)
    last = done.stdout.splitlines()[-1]
    assert last.startswith("t2t-mm-trainer --problems=image_shapes") and f"--output_dir=out/{best}" in last
    assert "hparams_range" not in last and "learning_rate=" in last

    other = command("trainer", *flags, "--train_steps=9")
    assert (other.returncode, other.stderr.splitlines()[-1]) == (
        1,
        "t2t-mm-trainer: out contains another search: train_steps is '6' there and '9' here. "
        "Choose another --output_dir.",
    )
