"""The search of hparams, with a quick function in place of training."""

import sys

import pytest

from t2t_mm.errors import UserError
from t2t_mm.hparam_ranges import Choice, Floats, Ints
from t2t_mm.run_tools.hparam_search import Search

RANGES = {"rate": Floats(0.01, 1.0, log=True), "blocks": Ints(1, 4), "kind": Choice("plain", "deep")}
OF = {"problems": "shapes"}


def reached(values) -> float:
    """Return a score that is best at rate 0.3, four blocks, deep."""
    return values["blocks"] + (values["kind"] == "deep") - abs(values["rate"] - 0.3)


def run(search: Search, trials: int) -> list[dict]:
    for _ in range(trials):
        trial = search.next()
        search.evaluated(trial, 10, reached(trial.values) - 1)
        search.trained(trial, reached(trial.values))
    return [dict(outcome.values) for outcome in search.outcomes()]


def test_trials_are_within_their_ranges_and_their_scores_are_kept(tmp_path):
    search = Search(tmp_path, RANGES, OF)
    run(search, 4)
    outcomes = search.outcomes()
    assert [one.name for one in outcomes] == ["trial-001", "trial-002", "trial-003", "trial-004"]
    for one in outcomes:
        assert 0.01 <= one.values["rate"] <= 1 and one.values["blocks"] in range(1, 5)
        assert one.values["kind"] in ("plain", "deep")
        assert (one.score, one.step, one.ended) == (reached(one.values), 10, "trained")


def test_a_search_that_was_stopped_continues_as_if_it_had_not_been(tmp_path):
    uninterrupted = run(Search(tmp_path / "whole", RANGES, OF), 5)
    assert len({str(values) for values in uninterrupted}) == 5
    first = Search(tmp_path / "parts", RANGES, OF)
    run(first, 2)
    under_way = first.next()
    first.evaluated(under_way, 10, 0.0)
    second = Search(tmp_path / "parts", RANGES, OF)
    again = second.next()
    assert (again.name, again.values) == ("trial-003", under_way.values)
    second.next()  # and one more is under way when it is stopped again
    third = Search(tmp_path / "parts", RANGES, OF)
    assert [one.name for one in third.outcomes()] == ["trial-001", "trial-002"]
    assert run(third, 3) == uninterrupted


def test_the_seed_determines_the_values_of_trials(tmp_path):
    one, same, other = (Search(tmp_path / str(i), RANGES, OF, seed).next().values for i, seed in enumerate((1, 1, 2)))
    assert one == same != other


def test_a_trial_below_the_median_of_five_is_to_be_pruned_and_one_above_is_not(tmp_path):
    search = Search(tmp_path, RANGES, OF)
    for score in (1.0, 2.0, 3.0, 4.0, 5.0):
        trial = search.next()
        assert not search.evaluated(trial, 10, score)  # there are too few to compare with
        search.trained(trial, score)
    good, bad = search.next(), search.next()
    assert not search.evaluated(good, 10, 3.5)
    assert search.evaluated(bad, 10, 2.5)
    search.pruned(bad)
    search.failed(good, "out of memory")
    *_, sixth, seventh = search.outcomes()
    assert (sixth.ended, sixth.why, sixth.score) == ("failed", "out of memory", 3.5)
    assert (seventh.ended, seventh.score, seventh.step) == ("pruned", 2.5, 10)


def test_another_search_in_the_folder_is_refused_with_what_differs(tmp_path):
    Search(tmp_path, RANGES, OF)
    with pytest.raises(UserError, match="contains another search: problems is 'shapes' there and 'digits' here"):
        Search(tmp_path, RANGES, {"problems": "digits"})
    with pytest.raises(UserError, match="ranges is .*Choice.* there and"):
        Search(tmp_path, {"rate": RANGES["rate"]}, OF)


def test_without_optuna_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UserError, match=r"pip install 't2t_mm\[search\]'"):
        Search(tmp_path, RANGES, OF)
