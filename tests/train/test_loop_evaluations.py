"""The evaluations of a run: when they come, who makes up for them, what they keep, and what ends with them."""

import json
import signal
import time
import types

import keras
import pytest

from t2t_mm.train import checkpoint, loop

if keras.backend.backend() != "tensorflow":
    pytest.skip("XLA would compile for an hour", allow_module_level=True)
from t2t_mm.evaluation.results import write_results

pytestmark = pytest.mark.usefixtures("eager")


def evaluations(folder):
    """The steps of the evaluations that the log tells of."""
    told = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line["step"] for line in told if line["kind"] == "evaluation"]


def test_a_best_checkpoint_is_not_lost_to_the_end_of_a_process_behind_its_evaluation(trainer, tmp_path, monkeypatch):
    def told(run):  # as by --schedule=evaluate, which keeps nothing
        write_results(tmp_path, run.step, run.results(list(run.problems), permuted=False, stop=None))

    fields = {"local_eval_frequency": 2, "save_checkpoints_steps": 1, "best_metric": "first/accuracy"}
    first = trainer(tmp_path, train_steps=2, **fields)
    first.train()
    told(first)
    assert not (tmp_path / "best").exists()
    run = trainer(tmp_path, train_steps=3, **fields)
    monkeypatch.setattr(type(run.best.aim), "score", lambda self, results: 0.5)
    run.train_and_evaluate()
    assert checkpoint.steps(tmp_path / "best") == [2]


def test_a_fault_of_what_an_evaluation_shows_leaves_a_saved_run(trainer, tmp_path, monkeypatch):
    def fails(*given):
        raise ValueError("nothing to draw")

    monkeypatch.setattr(loop, "problem_summaries", fails)
    run = trainer(tmp_path, train_steps=4, local_eval_frequency=3, summaries=True)
    with pytest.raises(ValueError, match="nothing to draw"):
        run.train_and_evaluate()
    assert checkpoint.steps(tmp_path) == [3]


def test_the_best_checkpoint_is_kept_and_a_run_that_gets_no_better_ends(trainer, tmp_path, monkeypatch):
    scores = iter([0.1, 0.5, 0.4, 0.45, 0.9])
    fields = {
        "local_eval_frequency": 2,
        "save_checkpoints_steps": 100,
        "keep_checkpoint_max": 1,
        "best_metric": "first/accuracy",
        "eval_early_stopping_steps": 4,
    }
    run = trainer(tmp_path, train_steps=20, **fields)
    monkeypatch.setattr(type(run.best.aim), "score", lambda self, results: next(scores))
    outcome = run.train_and_evaluate()
    assert run.step == 8 and not outcome.stop.requested
    assert checkpoint.steps(tmp_path) == [8]
    kept = checkpoint.steps(tmp_path / "best")
    assert kept == [8]  # of the evaluation at the end, which scores 0.9
    assert json.loads((tmp_path / "best" / "best.json").read_text())["score"] == 0.9
    assert evaluations(tmp_path) == [2, 4, 6, 8, 8]


def test_an_evaluation_that_an_earlier_process_did_not_get_to_is_made_up_for(trainer, tmp_path):
    run = trainer(tmp_path, train_steps=2, save_checkpoints_steps=2)
    run.train()
    later = trainer(tmp_path, train_steps=4, local_eval_frequency=2)
    later.train_and_evaluate()
    assert sorted(path.name for path in (tmp_path / "eval").iterdir()) == ["results-2.json", "results-4.json"]


def test_who_is_asked_to_stop_leaves_an_evaluation_and_makes_up_for_it(trainer, tmp_path, monkeypatch):
    run = trainer(tmp_path, train_steps=4, local_eval_frequency=2)
    evaluate_batch, evaluated = run.steps.evaluate_batch, []

    def evaluate_and_be_asked_to_stop(batch, metrics):
        if not evaluated:
            signal.raise_signal(signal.SIGTERM)  # to this thread, so that it is noted at once
        evaluated.append(batch.position)
        return evaluate_batch(batch, metrics)

    monkeypatch.setattr(run.steps, "evaluate_batch", evaluate_and_be_asked_to_stop)
    outcome = run.train_and_evaluate()
    assert (outcome.stop.exit_code, run.step, len(evaluated)) == (143, 2, 1)
    assert checkpoint.steps(tmp_path) == [2] and evaluations(tmp_path) == []
    later = trainer(tmp_path, train_steps=4, local_eval_frequency=2)
    later.train_and_evaluate()
    assert evaluations(tmp_path) == [2, 4]


def test_evaluations_come_by_steps_or_by_the_clock_whichever_is_first(trainer, tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(
        "t2t_mm.train.loop.time", types.SimpleNamespace(monotonic=lambda: now[0], perf_counter=time.perf_counter)
    )
    evaluated = {}
    for name, fields in (
        ("both", {"local_eval_frequency": 4, "eval_throttle_seconds": 30}),
        ("clock", {"eval_throttle_seconds": 30}),
    ):
        run = trainer(tmp_path / name, train_steps=10, **fields)
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


def test_a_run_that_ended_at_an_evaluation_by_the_clock_is_still_at_its_end(trainer, tmp_path, monkeypatch):
    now = iter(range(0, 100_000, 10))  # ten seconds from each look to the next
    monkeypatch.setattr(
        "t2t_mm.train.loop.time", types.SimpleNamespace(monotonic=lambda: next(now), perf_counter=time.perf_counter)
    )
    fields = {
        "eval_throttle_seconds": 30,
        "best_metric": "first/accuracy",
        "eval_early_stopping_metric_delta": 1.0,
        "eval_early_stopping_steps": 3,
    }
    run = trainer(tmp_path, train_steps=100, **fields)
    run.train_and_evaluate()
    ended = run.step
    assert 3 < ended < 100
    again = trainer(tmp_path, train_steps=100, **fields)
    again.train_and_evaluate()
    assert again.step == ended
    went_on = trainer(tmp_path, train_steps=ended + 1)
    went_on.train_and_evaluate()
    assert went_on.step == ended + 1
