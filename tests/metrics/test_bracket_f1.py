"""Bracket F1 compared with EVALB itself, whose results are in tests/golden/brackets.json."""

import json
from pathlib import Path

import numpy as np
import pytest

from t2t_mm.metrics.on_text.base import Case
from t2t_mm.metrics.on_text.brackets import BracketF1, BracketF1RightTags, read

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "brackets.json").read_text())
DOGS = "(S (NP (NN dogs)) (VP (VBP bark)))"


def case(output, right):
    return Case((output,) if output else (), (right,))


@pytest.fixture(scope="module")
def cases():
    return [case(one["output"], one["right"]) for one in GOLDEN["cases"]]


@pytest.mark.parametrize("one", GOLDEN["cases"], ids=lambda one: one["case"])
def test_bracket_counts_of_each_sentence_are_evalbs(one):
    sums_K = BracketF1().count([case(one["output"], one["right"])]).sums_NK[0]
    counts = [one["matched"], one["in_right"], one["in_output"], 1]
    assert sums_K.tolist() == (counts if one["status"] == 0 else [0, 0, 0, 0])


def test_bracket_f1_of_all_sentences_is_evalbs(cases):
    metric, total = BracketF1(), GOLDEN["total"]
    counted = metric.count(cases)
    assert metric.finish(counted.sums_NK.sum(axis=0)) == pytest.approx(total["Bracketing FMeasure"], abs=0.005)
    skipped = int(total["Number of Error sentence"] + total["Number of Skip  sentence"])
    assert f"precision {total['Bracketing Precision']}, recall {total['Bracketing Recall']}" in counted.how
    assert counted.how.endswith(f"; {skipped} of {len(cases)} sentences skipped")


def right_tags(*cases):
    return BracketF1RightTags().count(cases).sums_NK.tolist()


def test_bracket_f1_with_right_tags_skips_no_sentence_for_its_tags():
    comma = "(S (NP (NN dogs)) (, ,) (VP (VBP bark)))"
    assert right_tags(case("(S (NP (NN dogs) (NN ,)) (X (XX bark)))", comma)) == [
        [2, 3, 3, 1]
    ]  # the comma is not counted
    assert right_tags(case("(S (NP (, dogs)) (NN ,) (VP (. bark)))", comma)) == [[3, 3, 3, 1]]
    assert right_tags(case("(X (XX dogs) (XX ,) (XX bark))", comma)) == [[0, 3, 1, 1]]


def test_bracket_f1_with_right_tags_counts_an_output_that_is_no_tree_over_the_words_as_wrong():
    assert right_tags(case("", DOGS), case("(S (NP (NN dogs))", DOGS)) == [[0, 3, 0, 0], [0, 3, 0, 0]]
    assert right_tags(case("(S (NP (NN cats)) (VP (VBP bark)))", DOGS)) == [[0, 3, 3, 0]]
    sums_K = np.array(right_tags(case(DOGS, DOGS), case("", DOGS))).sum(axis=0)
    assert BracketF1RightTags().finish(sums_K) == pytest.approx(200 * 3 / (6 + 3))


def test_both_bracket_f1_metrics_are_equal_if_the_tags_agree(cases):
    both = [metric.count(cases).sums_NK for metric in (BracketF1(), BracketF1RightTags())]
    for one, (evalb, ours) in zip(cases, zip(*both, strict=True), strict=True):
        trees = [read(text) for text in (one.references[0], one.output)]
        if evalb[3] and trees[0].tags == trees[1].tags and trees[0].words == trees[1].words:
            assert evalb.tolist() == ours.tolist()


def test_bracket_f1_is_nan_if_every_sentence_is_skipped():
    counted = BracketF1().count([case("", DOGS)])
    assert np.isnan(BracketF1().finish(counted.sums_NK.sum(axis=0)))
    assert counted.how.endswith("1 of 1 sentences skipped")


def test_read_returns_none_for_text_that_is_no_tree():
    assert read("dogs bark") is None and read("(S (NN dogs) bark)") is None and read(")") is None
    assert read("") is not None and read("").words == ()
