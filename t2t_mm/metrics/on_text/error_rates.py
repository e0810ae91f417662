"""Word and character error rates by jiwer: the edits that turn right answers into outputs, per word or character.

Both sides are normalised first: lower case; marks in angle brackets removed (`<NOISE>`, `<SPOKEN_NOISE>`: they are not
speech, and Kaldi's scoring for WSJ removes them too); all apostrophes the same character; every other punctuation mark
replaced by a blank; consecutive blanks reduced to one. A hyphenated word counts as two words. A blank between words
counts as a character.
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
    """Return `text` normalised for counting."""
    spaced = "".join(_letter(letter) for letter in MARK.sub(" ", text.lower()))
    return re.sub(r"\s+", " ", spaced).strip()


def _letter(letter: str) -> str:
    """Return the normalised form of one character."""
    if letter in APOSTROPHES:
        return "'"
    return " " if unicodedata.category(letter).startswith("P") else letter


def _counted(cases: Sequence[Case], process: Callable[[str, str], Any], unit: str) -> Counted:
    """Return (edits, length of the reference, substitutions, deletions, insertions) of each case.

    Of several references the one with the fewest edits counts; of equal ones, the first.
    """
    rows = []
    for case in cases:
        output = normal(case.output)
        rows.append(min((_edits(process(normal(one), output)) for one in case.references), key=lambda row: row[0]))
    sums_NK = np.array(rows, np.float64).reshape(-1, 5)
    edits, length, *kinds = (f"{int(total):,}" for total in sums_NK.sum(axis=0))
    by_kind = "{} substituted, {} left out, {} put in".format(*kinds)
    return Counted(sums_NK, f"jiwer; {NORMALISATION}; {edits} edits of {length} {unit}: {by_kind}")


def _edits(alignment: Any) -> list[int]:
    """Return (edits, length of the reference, substitutions, deletions, insertions) of jiwer's alignment."""
    edits = alignment.substitutions + alignment.deletions + alignment.insertions
    length = alignment.hits + alignment.substitutions + alignment.deletions
    return [edits, length, alignment.substitutions, alignment.deletions, alignment.insertions]
