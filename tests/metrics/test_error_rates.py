"""WER and CER compared with jiwer's documented examples, examples by hand and a separate edit distance."""

import numpy as np
import pytest

from t2t_mm.metrics.on_text.base import Case
from t2t_mm.metrics.on_text.error_rates import CharacterErrorRate, WordErrorRate, normal


def figure(metric, *pairs):
    cases = [Case((output,), (right,) if isinstance(right, str) else right) for output, right in pairs]
    return metric.finish(metric.count(cases).sums_NK.sum(axis=0))


def distance(right, output):
    """Return the Levenshtein distance, computed cell by cell."""
    rows = np.arange(len(output) + 1)
    for i, symbol in enumerate(right, start=1):
        before, rows = rows, np.zeros_like(rows)
        rows[0] = i
        for j, other in enumerate(output, start=1):
            rows[j] = min(before[j] + 1, rows[j - 1] + 1, before[j - 1] + (symbol != other))
    return int(rows[-1])


def test_error_rates_of_the_examples_in_jiwers_documentation():
    assert figure(WordErrorRate(), ("hello duck", "hello world")) == 0.5
    spelling = ("i kan cpell", "i can spell"), ("i hop", "i hope")
    assert figure(WordErrorRate(), *spelling) == pytest.approx(3 / 5)
    assert figure(CharacterErrorRate(), *spelling) == pytest.approx(3 / 17)


def test_errors_are_counted_by_kind():
    # "a b c d" to "a x c": one substituted, one left out. "e" to "e f": one put in.
    counted = WordErrorRate().count([Case(("a x c",), ("a b c d",)), Case(("e f",), ("e",))])
    assert counted.sums_NK.tolist() == [[2, 4, 1, 1, 0], [1, 1, 0, 0, 1]]
    assert counted.how.endswith("3 edits of 5 words: 1 substituted, 1 left out, 1 put in")


def test_error_counts_are_edit_distances():
    rng = np.random.default_rng(3)
    for _ in range(60):
        right, output = (" ".join(rng.choice(list("abc"), rng.integers(0, 8))) for _ in range(2))
        words_K = WordErrorRate().count([Case((output,), (right,))]).sums_NK[0]
        letters_K = CharacterErrorRate().count([Case((output,), (right,))]).sums_NK[0]
        assert words_K[:2].tolist() == [distance(right.split(), output.split()), len(right.split())]
        assert letters_K[:2].tolist() == [distance(right, output), len(right)]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Hello, World!", "hello world"),
        ("a man , a dog .", "a man a dog"),
        ("it's  O’Brien's\t'quote'", "it's o'brien's 'quote'"),
        ("well-known — 3.5 %", "well known 3 5"),
        ("¿Qué? «Ça» ÄÖ", "qué ça äö"),
        (" ... ", ""),
        ("THE <NOISE> DOG<SPOKEN_NOISE>RUNS ,COMMA", "the dog runs comma"),
        ("3 < 5 <2> <a dog>", "3 < 5 <2> <a dog>"),
        ("<NOISE>", ""),
        ("", ""),
    ],
)
def test_text_is_normalised_before_counting(text, expected):
    assert normal(text) == expected


def test_an_empty_output_is_all_deletions_and_an_empty_reference_all_insertions():
    assert figure(WordErrorRate(), ("", "a b c")) == 1.0
    assert WordErrorRate().count([Case((), ("a b c",))]).sums_NK[0].tolist() == [3, 3, 0, 3, 0]
    assert WordErrorRate().count([Case(("a b",), ("",))]).sums_NK[0].tolist() == [2, 0, 0, 0, 2]
    assert figure(WordErrorRate(), ("a b", ""), ("c d", "c d")) == 1.0
    assert np.isnan(figure(WordErrorRate(), ("a b", ".")))


def test_a_noise_mark_is_no_word():
    counted = WordErrorRate().count([Case(("<NOISE> OF COURSE",), ("OF COURSE THERE ISN'T <NOISE>",))])
    assert counted.sums_NK.tolist() == [[2, 4, 0, 2, 0]]  # "there" and "isn't" are left out
    assert counted.how.startswith(
        "jiwer; lower case; marks in angle brackets left out; punctuation, but for apostrophes,"
    )


def test_an_error_rate_may_be_above_one():
    assert figure(WordErrorRate(), ("one one one", "two")) == 3.0


def test_the_reference_with_the_fewest_edits_counts_and_of_equal_ones_the_first():
    assert WordErrorRate().count([Case(("a b c",), ("x y", "a b", "a b c d"))]).sums_NK[0].tolist() == [1, 2, 0, 0, 1]
