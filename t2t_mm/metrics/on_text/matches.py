"""Shares of examples: outputs that are right to the letter, well-formed ones, and classes among the best few."""

from collections.abc import Sequence

import numpy as np

from t2t_mm.metrics.on_text.base import SHARE, Case, Counted, TextMetric, ratio, shares
from t2t_mm.registry import DECODED_METRICS


@DECODED_METRICS.register
class ExactMatch(TextMetric):
    """Share of outputs that are a right answer to the letter: of trees, every bracket, tag and word."""

    head = "exact"
    style = SHARE

    def count(self, cases: Sequence[Case]) -> Counted:
        return Counted(shares([case.output in case.references for case in cases]), "equal to a right answer")

    def finish(self, sums_K: np.ndarray) -> float:
        return ratio(sums_K)


@DECODED_METRICS.register
class WellFormed(TextMetric):
    """Share of outputs that needed no repair: whole trees with a leaf for each word."""

    head = "well-formed"
    style = SHARE

    def count(self, cases: Sequence[Case]) -> Counted:
        found = [bool(case.outputs) and case.well_formed for case in cases]
        return Counted(shares(found), "shown as it was put out, without repair")

    def finish(self, sums_K: np.ndarray) -> float:
        return ratio(sums_K)


@DECODED_METRICS.register(name="top_1")
class Top1(TextMetric):
    """Share of examples whose likeliest class is right; of equally likely classes, the first of the list counts."""

    head = "top-1"
    style = SHARE

    def count(self, cases: Sequence[Case]) -> Counted:
        return _among(cases, 1)

    def finish(self, sums_K: np.ndarray) -> float:
        return ratio(sums_K)


@DECODED_METRICS.register(name="top_5")
class Top5(TextMetric):
    """Share of examples whose right class is among the likeliest five; of equally likely ones, the first count."""

    head = "top-5"
    style = SHARE

    def count(self, cases: Sequence[Case]) -> Counted:
        return _among(cases, 5)

    def finish(self, sums_K: np.ndarray) -> float:
        return ratio(sums_K)


def _among(cases: Sequence[Case], most: int) -> Counted:
    found = [not set(case.references).isdisjoint(case.outputs[:most]) for case in cases]
    return Counted(shares(found), f"right class among the first {most}")
