"""Word and character error rates by jiwer: the edits that turn right answers into outputs, per word or character.

Before edits are counted, both sides are brought into one form: lower case, without marks in angle brackets (`<NOISE>`,
`<SPOKEN_NOISE>`: nobody said them, and Kaldi's scoring for WSJ leaves them out too), apostrophes alike, every other
punctuation mark taken as a blank, and blanks in a row as one. What is written with a hyphen counts as two words. A
blank between words is a character.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from t2t_mm.metrics.on_text.base import SHARE, Case, Counted, TextMetric, ratio
from t2t_mm.registry import DECODED_METRICS

NORMALISATION = (
    "lower case; marks in angle brackets left out; punctuation, but for apostrophes, taken as blanks; "
    "blanks in a row as one"
)
MARK = re.compile(r"<[^\W\d]\w*>")
APOSTROPHES = "'’"


@DECODED_METRICS.register(name="wer")
class WordErrorRate(TextMetric):
    """Word error rate, edits per word of the right answers, in lower case without punctuation."""

    head = "WER"
    style = SHARE
    higher_is_better = False

    def count(self, cases: Sequence[Case]) -> Counted:
        from jiwer import process_words

        return _counted(cases, process_words, "words")

    def finish(self, sums_K: np.ndarray) -> float:
        return ratio(sums_K)


@DECODED_METRICS.register(name="cer")
class CharacterErrorRate(TextMetric):
    """Character error rate, edits per character of the right answers, in lower case without punctuation."""

    head = "CER"
    style = SHARE
    higher_is_better = False

    def count(self, cases: Sequence[Case]) -> Counted:
        from jiwer import process_characters

        return _counted(cases, process_characters, "characters")

    def finish(self, sums_K: np.ndarray) -> float:
        return ratio(sums_K)


def normal(text: str) -> str:
    """`text` in the form in which it is counted."""
    spaced = "".join(_letter(letter) for letter in MARK.sub(" ", text.lower()))
    return re.sub(r"\s+", " ", spaced).strip()


def _letter(letter: str) -> str:
    if letter in APOSTROPHES:
        return "'"
    return " " if unicodedata.category(letter).startswith("P") else letter


def _counted(cases: Sequence[Case], process: Callable[[str, str], Any], unit: str) -> Counted:
    """(edits, length of the reference, substitutions, deletions, insertions) of each case.

    Of several references the one that takes the fewest edits counts, and of those the first.
    """
    rows = []
    for case in cases:
        output = normal(case.output)
        rows.append(min((_edits(process(normal(one), output)) for one in case.references), key=lambda row: row[0]))
    sums_NK = np.array(rows, np.float64).reshape(-1, 5)
    edits, length, *kinds = (f"{int(total):,}" for total in sums_NK.sum(axis=0))
    said = "{} substituted, {} left out, {} put in".format(*kinds)
    return Counted(sums_NK, f"jiwer; {NORMALISATION}; {edits} edits of {length} {unit}: {said}")


def _edits(found: Any) -> list[int]:
    edits = found.substitutions + found.deletions + found.insertions
    length = found.hits + found.substitutions + found.deletions
    return [edits, length, found.substitutions, found.deletions, found.insertions]
