"""BLEU and chrF from counts per sentence, compared with sacrebleu's published examples and with sacrebleu itself."""

import numpy as np
import pytest
import sacrebleu

from t2t_mm.metrics.on_text.base import Case
from t2t_mm.metrics.on_text.sacre import Bleu, Chrf

# The example of sacrebleu's README, with what it prints there: 48.53 and 59.73.
OUTPUTS = ["The dog bit the man.", "It wasn't surprising.", "The man had just bitten him."]
FIRST = ["The dog bit the man.", "It was not unexpected.", "The man bit him first."]
SECOND = ["The dog had bit the man.", "No one was surprised.", "The man had bitten the dog."]
README = [Case((output,), (first, second)) for output, first, second in zip(OUTPUTS, FIRST, SECOND, strict=True)]


def figure(metric, cases):
    return metric.finish(metric.count(cases).sums_NK.sum(axis=0))


def test_bleu_and_chrf_of_sacrebleus_own_example():
    assert round(figure(Bleu(), README), 2) == 48.53
    assert round(figure(Chrf(), README), 2) == 59.73


def test_the_description_contains_sacrebleus_signature():
    version = f"version:{sacrebleu.__version__}"
    assert Bleu().count(README).how == f"sacrebleu nrefs:2|case:mixed|eff:no|tok:13a|smooth:exp|{version}"
    assert Chrf().count(README).how == f"sacrebleu nrefs:2|case:mixed|eff:yes|nc:6|nw:0|space:no|{version}"


@pytest.mark.parametrize("metric, score", [(Bleu(), sacrebleu.corpus_bleu), (Chrf(), sacrebleu.corpus_chrf)])
@pytest.mark.parametrize(
    "cases",
    [
        [Case((), ("a dog runs",)), Case(("a dog runs fast today",), ("a dog runs fast today",))],
        [Case(("",), ("a dog",))],
        [Case(("the cat sat on the mat",), ("",)), Case(("a b c d e",), ("a b c d f",))],
        [Case(("",), ("",)), Case(("one two three four",), ("one two three four",))],
        [Case(("Hello, world!",), ("Hello , world !",)), Case(("it ends in .",), ("it ends in a dot .",))],
        [Case(("the the the the the",), ("the cat the cat", "the")), Case(("x",), ("x", "y"))],
        [Case(("α β γ δ ε",), ("α β γ δ ζ",)), Case(("a  b\tc",), ("a b c",))],
    ],
    ids=["no answer", "all empty", "an empty reference", "both empty", "punctuation", "clipped", "letters and blanks"],
)
def test_hard_cases_have_the_corpus_scores_of_sacrebleu(metric, score, cases):
    references = [list(stream) for stream in zip(*(case.references for case in cases), strict=True)]
    expected = score([case.output for case in cases], references).score
    assert figure(metric, cases) == pytest.approx(expected)


def test_bleu_by_hand():
    # 5 of 6 words, 4 of 5 pairs, 3 of 4 triples, 2 of 3 fours; as long as the reference.
    cases = [Case(("a b c d e x",), ("a b c d e f",))]
    assert figure(Bleu(), cases) == pytest.approx(100 * (5 / 6 * 4 / 5 * 3 / 4 * 2 / 3) ** 0.25)


def test_chrf_by_hand():
    # "abc" for "abd": 2 of 3 letters, 1 of 2 pairs, 0 of 1 triples; precision and recall are (2/3 + 1/2 + 0) / 3.
    assert figure(Chrf(), [Case(("abc",), ("abd",))]) == pytest.approx(100 * (2 / 3 + 1 / 2) / 3)


def test_examples_may_have_different_numbers_of_references():
    cases = [Case(("a b c d e",), ("x", "a b c d e")), Case(("f g h i j",), ("f g h i j",))]
    assert figure(Bleu(), cases) == pytest.approx(100.0)
    assert "nrefs:var" in Bleu().count(cases).how


def test_sums_of_separate_examples_equal_the_sums_of_all():
    rng = np.random.default_rng(0)
    cases = [
        Case((" ".join(rng.choice(list("abc"), 6)),), tuple(" ".join(rng.choice(list("abc"), 6)) for _ in range(2)))
        for _ in range(20)
    ]
    for metric in (Bleu(), Chrf()):
        separate_sums = [metric.count([case]).sums_NK[0] for case in cases]
        np.testing.assert_array_equal(metric.count(cases).sums_NK, separate_sums)
