"""Differences between the figures of two runs, with bootstrap confidence intervals."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from t2t_mm.data.keyed_rng import generator
from t2t_mm.evaluation.baselines import LEVEL_PERCENT, RESAMPLES
from t2t_mm.evaluation.score import Figure, Scores


@dataclass(frozen=True)
class Difference:
    """One figure of one problem in two runs; `low` to `high` is the 95 % confidence interval of `first` - `second`."""

    problem: str
    figure: Figure  # the first run's
    first: float
    second: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """Verdict on the first run, "better" or "worse"; "-" if the interval contains 0."""
        if not (self.low > 0 or self.high < 0):
            return "-"
        return "better" if (self.low > 0) == self.figure.higher_is_better else "worse"


def differences(first: Scores, second: Scores, seed: int = 0) -> list[Difference]:
    """Return the difference of each figure of a problem in two runs that were evaluated on the same examples.

    Raises ValueError if the examples differ.
    """
    if first.ids != second.ids:
        raise ValueError(f"{first.problem} was evaluated on different examples")
    results = []
    for one, other in zip(first.figures, second.figures, strict=True):
        low, high = bootstrap_interval(one.sums_NK, other.sums_NK, one.finish, seed)
        results.append(Difference(first.problem, one, one.value, other.value, low, high))
    return results


def bootstrap_interval(
    first_NK: np.ndarray, second_NK: np.ndarray, finish: Callable[[np.ndarray], float], seed: int
) -> tuple[float, float]:
    """Return the 95 % bootstrap confidence interval of finish(sum of first_NK) - finish(sum of second_NK).

    This is a paired percentile bootstrap (Efron and Tibshirani 1993, chapter 13): examples are drawn with replacement,
    1,000 times, the same ones for both, and each time the figures are computed from the sums of the examples drawn.
    Equal seeds draw the same examples for equal numbers of examples. Draws without a figure (no sentence that counts)
    are left out; the result is (NaN, NaN) if all draws are left out.
    """
    random = generator(seed, "bootstrap")
    samples = []
    for _ in range(RESAMPLES):
        times_N = np.bincount(random.integers(len(first_NK), size=len(first_NK)), minlength=len(first_NK))
        samples.append(finish(times_N @ first_NK) - finish(times_N @ second_NK))
    known = [difference for difference in samples if not np.isnan(difference)]
    if not known:
        return float("nan"), float("nan")
    tail = (100.0 - LEVEL_PERCENT) / 2
    low, high = np.percentile(known, [tail, 100.0 - tail])
    return float(low), float(high)
