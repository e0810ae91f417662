"""SQuAD's two metrics, by hand."""

import pytest

from t2t_mm.metrics.on_text.base import Case
from t2t_mm.metrics.on_text.squad import f1, words
from t2t_mm.registry import DECODED_METRICS


def test_squad_words_ignore_case_punctuation_and_articles():
    assert words("The  Cat's an animal, a U.S. one!") == ["cats", "animal", "us", "one"]


@pytest.mark.parametrize(
    ("answer", "right", "expected"),
    [
        ("upper brin", "Upper Brin.", 1.0),
        ("brin", "upper brin", 2 * 1 * 0.5 / 1.5),
        ("in upper brin", "upper brin", 2 * (2 / 3) / (5 / 3)),
        ("to be to", "to to to", 2 / 3),
        ("greta", "upper brin", 0.0),
        ("", "brin", 0.0),
    ],
)
def test_squad_f1_by_hand(answer, right, expected):
    assert f1(answer, right) == pytest.approx(expected)


def test_squad_metrics_use_the_best_of_several_right_answers_and_count_no_answer_as_wrong():
    cases = [Case(("the brin",), ("upper brin", "Brin")), Case(("brin",), ("upper brin",)), Case((), ("brin",))]
    figures = {name: DECODED_METRICS[name]() for name in ("squad_exact", "squad_f1")}
    results = {name: metric.finish(metric.count(cases).sums_NK.sum(axis=0)) for name, metric in figures.items()}
    assert results == {"squad_exact": pytest.approx(1 / 3), "squad_f1": pytest.approx((1 + 2 / 3) / 3)}
