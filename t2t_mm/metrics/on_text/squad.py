"""The two metrics of SQuAD's own script, `evaluate-v1.1.py` (Rajpurkar et al. 2016, arXiv 1606.05250)."""

import re
import string
from collections import Counter
from collections.abc import Sequence

import numpy as np

from t2t_mm.metrics.on_text.base import SHARE, Case, Counted, TextMetric, ratio, shares
from t2t_mm.registry import DECODED_METRICS

PUNCTUATION = frozenset(string.punctuation)
HOW = "without case, punctuation and articles; the best of several right answers"


@DECODED_METRICS.register
class SquadExact(TextMetric):
    """Share of outputs that equal a right answer, ignoring case, punctuation and articles."""

    head = "exact"
    style = SHARE

    def count(self, cases: Sequence[Case]) -> Counted:
        right = [any(words(case.output) == words(one) for one in case.references) for case in cases]
        return Counted(shares(right), HOW)

    def finish(self, sums_K: np.ndarray) -> float:
        return ratio(sums_K)


@DECODED_METRICS.register(name="squad_f1")
class SquadF1(TextMetric):
    """Mean word F1 of an output and the right answer closest to it."""

    head = "F1"
    style = SHARE

    def count(self, cases: Sequence[Case]) -> Counted:
        sums = [[max(f1(case.output, one) for one in case.references), 1.0] for case in cases]
        return Counted(np.array(sums, np.float64).reshape(-1, 2), HOW)

    def finish(self, sums_K: np.ndarray) -> float:
        return ratio(sums_K)


def words(answer: str) -> list[str]:
    """Return the words that count, in lower case, without punctuation, `a`, `an` and `the`."""
    plain = "".join(character for character in answer.lower() if character not in PUNCTUATION)
    return re.sub(r"\b(a|an|the)\b", " ", plain).split()


def f1(answer: str, right: str) -> float:
    """Return 2 P R / (P + R) of the common words, each counted as often as it occurs in both."""
    ours, theirs = words(answer), words(right)
    common = sum((Counter(ours) & Counter(theirs)).values())
    return 2 * common / (len(ours) + len(theirs)) if common else 0.0
