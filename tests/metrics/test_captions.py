"""Caption words, CIDEr and BLEU-4 compared with COCO's own scorers, whose results are in tests/golden/captions.json."""

import json
from pathlib import Path

import numpy as np
import pytest

from t2t_mm.metrics.on_text.base import Case
from t2t_mm.metrics.on_text.captions import words
from t2t_mm.metrics.on_text.cider import Cider
from t2t_mm.metrics.on_text.sacre import CaptionBleu

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "captions.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def cases():
    return [Case((one["output"],), tuple(one["references"])) for one in GOLDEN["cases"]]


@pytest.mark.parametrize("one", GOLDEN["words"], ids=lambda one: one["caption"])
def test_caption_words_are_those_of_cocos_scorers(one):
    assert " ".join(words(one["caption"])) == one["words"]


def test_cider_of_each_caption_and_of_all_captions_is_pycocoevalcaps(cases):
    sums_NK = Cider().count(cases).sums_NK
    assert sums_NK[:, 0].tolist() == pytest.approx([one["cider"] for one in GOLDEN["cases"]], abs=1e-9)
    assert Cider().finish(sums_NK.sum(axis=0)) == pytest.approx(GOLDEN["cider"], abs=1e-9)


def test_bleu_4_with_several_references_is_pycocoevalcaps(cases):
    counted = CaptionBleu().count(cases)
    assert CaptionBleu().finish(counted.sums_NK.sum(axis=0)) == pytest.approx(GOLDEN["bleu_4"], abs=1e-5)
    assert "tok:none|smooth:none" in counted.how


def test_cider_by_hand():
    # Two examples. Every n-gram of the first is in its own references only, so each weighs ln 2; "a dog" against
    # "a dog runs": of single words 2 of 3 are shared, cosine 2 / sqrt(2 * 3); of pairs 1 of 2, cosine 1 / sqrt(1 * 2);
    # no more. Pairs: 1 against 2.
    cases = [Case(("a dog",), ("a dog runs",)), Case(("x",), ("y",))]
    by_hand = 10 * (2 / np.sqrt(6) + 1 / np.sqrt(2)) / 4 * np.exp(-1 / 72)
    assert Cider().count(cases).sums_NK.tolist() == [[pytest.approx(by_hand), 1], [0, 1]]


def test_cider_is_0_without_an_answer_and_for_a_single_example():
    assert Cider().count([Case((), ("a dog",)), Case(("a cat",), ("a cat",))]).sums_NK[0].tolist() == [0, 1]
    assert Cider().count([Case(("a dog",), ("a dog",))]).sums_NK.tolist() == [[0, 1]]
