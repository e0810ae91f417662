"""The best checkpoint, by a weighted mean of metrics."""

import math

import numpy as np
import pytest

from t2t_mm.errors import UnknownName, UserError
from t2t_mm.evaluation.baselines import BaselineComparison
from t2t_mm.evaluation.results import Result
from t2t_mm.train import checkpoint
from t2t_mm.train.best_checkpoint import Aim, BestCheckpoint

METRICS = {"ende": ["neg_log_perplexity", "accuracy"], "shapes": ["neg_log_perplexity", "accuracy", "accuracy_top5"]}


def results(ende=0.5, shapes=0.9):
    standing = BaselineComparison(nats=1.0, unigram_nats=2.0, permuted_nats=None, gain_low=None, gain_high=None)
    return [
        Result("ende", 10, {"accuracy": ende, "neg_log_perplexity": -2.0}, standing, False),
        Result("shapes", 10, {"accuracy": shapes, "neg_log_perplexity": -1.0, "accuracy_top5": 1.0}, standing, True),
    ]


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("ende/accuracy", 0.5),
        ("ende/accuracy:3,shapes/accuracy:1", (3 * 0.5 + 0.9) / 4),
        ("accuracy", 0.7),  # of every problem that has it
        ("accuracy_top5", 1.0),
        ("ende/accuracy ende/neg_log_perplexity:-0.5", (0.5 + 1.0) / 1.5),  # what should fall counts below 0
    ],
)
def test_a_score_is_a_weighted_mean(text, score):
    assert Aim.parse(text, METRICS).score(results()) == pytest.approx(score)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("endr/accuracy", "No problem of this run is named 'endr'. Did you mean 'ende'"),
        ("ende/acuracy", "No metric of the problem is named 'acuracy'. Did you mean 'accuracy'"),
        ("ende/accuracy_top5", "named 'accuracy_top5'"),
        ("ende/accuracy:much", "write problem/metric:weight"),
        ("ende/accuracy:0", "the weight a number other than 0"),
        (" ", "names no metric"),
    ],
)
def test_what_names_no_metric_is_refused(text, sentence):
    with pytest.raises((UnknownName, UserError), match=sentence):
        Aim.parse(text, METRICS)


def test_a_problem_that_was_not_evaluated_makes_no_score():
    assert math.isnan(Aim.parse("accuracy", METRICS).score(results()[:1]))


@pytest.fixture
def saved(tmp_path):
    return {step: checkpoint.save(tmp_path, step, {"a": np.ones(step)}, {"step": step}, keep=0) for step in (2, 4, 6)}


def test_the_best_one_stays_when_the_run_removes_its_own(tmp_path, saved):
    best = BestCheckpoint(tmp_path, "ende/accuracy", METRICS, 0.0)
    assert best.is_better(-5.0) and not best.is_better(math.nan)
    best.keep(saved[2], 2, 0.5)
    assert not best.is_better(0.5) and best.is_better(0.51)
    best.keep(saved[4], 4, 0.6)
    for path in saved.values():
        path.unlink()
    assert checkpoint.steps(tmp_path / "best") == [4]
    assert checkpoint.load(checkpoint.path_of(tmp_path / "best", 4))[1] == {"step": 4}
    assert best.steps_since(10) == 6


def test_what_a_kill_left_half_written_goes_with_the_next_best_one(tmp_path, saved):
    (tmp_path / "best" / ".partial-abc").mkdir(parents=True)
    (tmp_path / "best" / ".partial-abc" / "model.ckpt-1.safetensors").touch()
    BestCheckpoint(tmp_path, "ende/accuracy", METRICS, 0.0).keep(saved[4], 4, 0.5)
    assert sorted(path.name for path in (tmp_path / "best").iterdir()) == ["best.json", saved[4].name]


def test_it_is_known_to_a_run_that_goes_on_with_the_same_metric_alone(tmp_path, saved):
    BestCheckpoint(tmp_path, "ende/accuracy", METRICS, 0.0).keep(saved[4], 4, 0.5)
    again = BestCheckpoint(tmp_path, "ende/accuracy", METRICS, 0.0)
    assert (again.record.step, again.record.score) == (4, 0.5)
    assert BestCheckpoint(tmp_path, "shapes/accuracy", METRICS, 0.0).is_better(0.1)


def test_a_little_better_is_not_better_where_more_is_asked(tmp_path, saved):
    best = BestCheckpoint(tmp_path, "ende/accuracy", METRICS, 0.1)
    best.keep(saved[2], 2, 0.5)
    assert not best.is_better(0.59) and best.is_better(0.61)
