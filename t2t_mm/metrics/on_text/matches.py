"""Metrics that are shares of examples: exact match, well-formed output, and top-k accuracy of classes."""

from collections.abc import Sequence

import numpy as np

from t2t_mm.metrics.on_text.base import SHARE, Case, Counted, TextMetric, ratio, shares
from t2t_mm.registry import DECODED_METRICS


@DECODED_METRICS.register
class ExactMatch(TextMetric):
    """Share of outputs that equal a right answer exactly: for trees, in every bracket, tag and word."""

    head = "exact"
    style = SHARE

    def count(self, cases: Sequence[Case]) -> Counted:
        return Counted(shares([case.output in case.references for case in cases]), "equal to a right answer")

    def finish(self, sums_K: np.ndarray) -> float:
        return ratio(sums_K)


@DECODED_METRICS.register
class WellFormed(TextMetric):
    """Share of outputs that needed no repair: complete trees with a leaf for each word."""

    head = "well-formed"
    style = SHARE

    def count(self, cases: Sequence[Case]) -> Counted:
        intact = [bool(case.outputs) and case.well_formed for case in cases]
        return Counted(shares(intact), "shown as it was put out, without repair")

    def finish(self, sums_K: np.ndarray) -> float:
        return ratio(sums_K)


@DECODED_METRICS.register(name="top_1")
class Top1(TextMetric):
    """Share of examples whose most likely class is right; of equally likely classes, the first of the list counts."""

    head = "top-1"
    style = SHARE

    def count(self, cases: Sequence[Case]) -> Counted:
        return _in_first(cases, 1)

    def finish(self, sums_K: np.ndarray) -> float:
        return ratio(sums_K)


@DECODED_METRICS.register(name="top_5")
class Top5(TextMetric):
    """Share of examples whose right class is in the five most likely; of equally likely ones, the first count."""

    head = "top-5"
    style = SHARE

    def count(self, cases: Sequence[Case]) -> Counted:
        return _in_first(cases, 5)

    def finish(self, sums_K: np.ndarray) -> float:
        return ratio(sums_K)


def _in_first(cases: Sequence[Case], most: int) -> Counted:
    """Return the sums of the share of cases with a right class in the first `most` outputs."""
    right = [not set(case.references).isdisjoint(case.outputs[:most]) for case in cases]
    return Counted(shares(right), f"right class among the first {most}")
