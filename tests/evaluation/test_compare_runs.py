import numpy as np
import pytest

from t2t_mm.evaluation.compare_runs import Difference, bootstrap_interval, differences
from t2t_mm.evaluation.score import Figure, Scores
from t2t_mm.metrics.on_text.base import PLAIN, SHARE, Case, ratio
from t2t_mm.metrics.on_text.sacre import Bleu


def share(hits, name="top_1", higher_is_better=True):
    sums_NK = np.array([[float(one), 1.0] for one in hits])
    return Figure(name, "top-1", SHARE, higher_is_better, sums_NK, ratio)


def scores(figure, ids=None):
    return Scores("p", ids or tuple(map(str, range(len(figure.sums_NK)))), (), (figure,))


def test_a_difference_is_the_figure_of_the_first_run_minus_that_of_the_second():
    [result] = differences(scores(share([1, 1, 0, 1])), scores(share([1, 0, 0, 0])))
    assert (result.problem, result.first, result.second) == ("p", 0.75, 0.25)
    assert result.low <= 0.5 <= result.high


def test_equal_runs_have_a_difference_of_zero():
    [result] = differences(scores(share([1, 0, 1, 1, 0])), scores(share([1, 0, 1, 1, 0])))
    assert (result.low, result.high, result.verdict) == (0.0, 0.0, "-")


def test_runs_that_were_evaluated_on_different_examples_are_not_compared():
    with pytest.raises(ValueError, match="different examples"):
        differences(scores(share([1, 0]), ids=("a", "b")), scores(share([1, 0]), ids=("a", "c")))


def test_the_interval_is_the_one_that_statistics_has_for_a_mean():
    rng = np.random.default_rng(0)
    first_N, second_N = (rng.random(400) < 0.6).astype(float), (rng.random(400) < 0.5).astype(float)
    pairs = [np.stack([one_N, np.ones(400)], axis=1) for one_N in (first_N, second_N)]
    low, high = bootstrap_interval(*pairs, ratio, seed=1)
    difference_N = first_N - second_N
    half = 1.96 * difference_N.std() / 20  # standard error of a mean over 400 examples
    assert low == pytest.approx(difference_N.mean() - half, abs=0.01)
    assert high == pytest.approx(difference_N.mean() + half, abs=0.01)


def test_examples_that_are_hard_for_both_runs_do_not_widen_the_interval():
    # Each example costs both the same, but for 1 nat: paired, the difference is certain.
    hard_N = np.random.default_rng(0).random(50) * 100
    first_NK, second_NK = (np.stack([hard_N + more, np.ones(50)], axis=1) for more in (1, 0))
    assert bootstrap_interval(first_NK, second_NK, ratio, seed=0) == (pytest.approx(1), pytest.approx(1))


def test_examples_weigh_by_what_they_count():
    # 100 tokens without a difference and 1 with: the ratio of sums, not the mean of ratios.
    first_NK, second_NK = np.array([[5.0, 100.0], [1.0, 1.0]]), np.array([[5.0, 100.0], [0.0, 1.0]])
    low, high = bootstrap_interval(first_NK, second_NK, ratio, seed=0)
    assert low == 0.0 and high == 1.0  # draws of one example alone; of both, 1 / 101


def test_bleu_is_finished_from_the_sums_of_each_draw():
    right = [f"{a} {b} {c} {d} {e}" for a, b, c, d, e in np.random.default_rng(0).integers(0, 9, (30, 5))]
    first = Bleu().count([Case((text,), (text,)) for text in right]).sums_NK
    second = Bleu().count([Case((text if place % 2 else "x",), (text,)) for place, text in enumerate(right)]).sums_NK
    low, high = bootstrap_interval(first, second, Bleu().finish, seed=0)
    total = 100.0 - Bleu().finish(second.sum(axis=0))
    assert 0 < low < total < high < 100


def test_draws_without_a_figure_are_left_out():
    first_NK, second_NK = np.array([[1.0, 1.0], [0.0, 0.0]]), np.array([[0.0, 1.0], [0.0, 0.0]])
    assert bootstrap_interval(first_NK, second_NK, ratio, seed=0) == (1.0, 1.0)
    none = np.zeros((3, 2))
    assert np.isnan(bootstrap_interval(none, none, ratio, seed=0)).all()


def test_equal_seeds_give_equal_intervals():
    rng = np.random.default_rng(0)
    pairs = [np.stack([rng.random(20), np.ones(20)], axis=1) for _ in range(2)]
    assert (
        bootstrap_interval(*pairs, ratio, seed=4)
        == bootstrap_interval(*pairs, ratio, seed=4)
        != bootstrap_interval(*pairs, ratio, seed=5)
    )


@pytest.mark.parametrize(
    "low, high, higher_is_better, verdict",
    [
        (0.1, 0.2, True, "better"),
        (0.1, 0.2, False, "worse"),
        (-0.2, -0.1, True, "worse"),
        (-0.2, -0.1, False, "better"),
        (-0.1, 0.1, True, "-"),
        (0.0, 0.1, True, "-"),
        (float("nan"), float("nan"), False, "-"),
    ],
)
def test_the_verdict_follows_the_interval_and_the_direction(low, high, higher_is_better, verdict):
    figure = Figure("f", "f", PLAIN, higher_is_better, np.zeros((1, 2)), ratio)
    assert Difference("p", figure, 0.0, 0.0, low, high).verdict == verdict
