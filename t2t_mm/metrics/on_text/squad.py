"""The two figures of SQuAD's own script, `evaluate-v1.1.py` (Rajpurkar et al. 2016, arXiv 1606.05250)."""

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
    """Share of answers that are a right one, but for case, punctuation and articles."""

    head = "exact"
    style = SHARE

    def count(self, cases: Sequence[Case]) -> Counted:
        right = [any(words(case.output) == words(one) for one in case.references) for case in cases]
        return Counted(shares(right), HOW)

    def finish(self, sums_K: np.ndarray) -> float:
        return ratio(sums_K)


@DECODED_METRICS.register(name="squad_f1")
class SquadF1(TextMetric):
    """Mean F1 of the words of an answer and of the nearest right one."""

    head = "F1"
    style = SHARE

    def count(self, cases: Sequence[Case]) -> Counted:
        sums = [[max(f1(case.output, one) for one in case.references), 1.0] for case in cases]
        return Counted(np.array(sums, np.float64).reshape(-1, 2), HOW)

    def finish(self, sums_K: np.ndarray) -> float:
        return ratio(sums_K)


def words(answer: str) -> list[str]:
    """The words that count: lower case, without punctuation, `a`, `an` and `the`."""
    plain = "".join(character for character in answer.lower() if character not in PUNCTUATION)
    return re.sub(r"\b(a|an|the)\b", " ", plain).split()


def f1(answer: str, right: str) -> float:
    """2 P R / (P + R) of the words that the two have in common, each as often as in both."""
    found, wanted = words(answer), words(right)
    common = sum((Counter(found) & Counter(wanted)).values())
    return 2 * common / (len(found) + len(wanted)) if common else 0.0
