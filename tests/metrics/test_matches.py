"""Exact match, well-formed output, top-k accuracy, and what every metric of decoded text must do."""

import pytest

from t2t_mm.metrics.on_text.base import PLAIN, POINTS, SHARE, Case
from t2t_mm.metrics.on_text.matches import ExactMatch, Top1, Top5, WellFormed
from t2t_mm.registry import DECODED_METRICS


def figure(metric, cases):
    return metric.finish(metric.count(cases).sums_NK.sum(axis=0))


def test_exact_match_requires_an_output_equal_to_a_right_answer():
    right = ("(S (NN dogs))", "(S (NNS dogs))")
    cases = [Case((output,), right) for output in ("(S (NNS dogs))", "(S (NN dogs) )", "(s (NN dogs))", "")]
    assert ExactMatch().count([*cases, Case((), right)]).sums_NK[:, 0].tolist() == [1, 0, 0, 0, 0]
    assert figure(ExactMatch(), cases) == 0.25


def test_no_answer_is_not_well_formed():
    cases = [Case(("x",), ("y",)), Case(("x",), ("x",), well_formed=False), Case((), ("x",))]
    assert figure(WellFormed(), cases) == pytest.approx(1 / 3)


def test_top_1_and_top_5_with_many_and_with_few_classes():
    classes = tuple("abcdefg")
    cases = [Case(classes, (right,)) for right in "abef"] + [Case(("b", "a"), ("a",)), Case((), ("a",))]
    assert Top1().count(cases).sums_NK[:, 0].tolist() == [1, 0, 0, 0, 0, 0]
    assert Top5().count(cases).sums_NK[:, 0].tolist() == [1, 1, 1, 0, 1, 0]


def test_each_style_formats_its_figures():
    assert SHARE.text(0.4567) == "45.7 %" and SHARE.text(0.01, "+") == "+1.0 %"
    assert POINTS.text(27.345) in ("27.34", "27.35") and PLAIN.text(-0.5, "+") == "-0.500"


@pytest.mark.parametrize("name", list(DECODED_METRICS))
def test_every_metric_counts_cases_one_by_one(name):
    metric = DECODED_METRICS[name]()
    one = Case(("(S (NN dogs))",), ("(S (NN dogs))",))
    sums_NK = metric.count([one, one]).sums_NK
    assert sums_NK.shape[0] == 2 and sums_NK.dtype == "float64" and metric.count([one]).how
    assert sums_NK[0].tolist() == sums_NK[1].tolist()
    assert metric.head and isinstance(metric.finish(sums_NK.sum(axis=0)), float)
