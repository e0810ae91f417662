"""What one run's figures are above another's, and whether the difference is more than chance."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from t2t_mm.data.keyed_rng import generator
from t2t_mm.evaluation.baselines import LEVEL_PERCENT, RESAMPLES
from t2t_mm.evaluation.score import Figure, Scores


@dataclass(frozen=True)
class Difference:
    """One figure of one problem in two runs. `low` and `high` enclose `first` - `second` with 95 % confidence."""

    problem: str
    figure: Figure  # the first run's
    first: float
    second: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """Whether the first run is better or worse; a dash where the interval holds both."""
        if not (self.low > 0 or self.high < 0):
            return "-"
        return "better" if (self.low > 0) == self.figure.higher_is_better else "worse"


def differences(first: Scores, second: Scores, seed: int = 0) -> list[Difference]:
    """Each figure of a problem in two runs, which judged the same examples.

    Raises ValueError if they did not.
    """
    if first.ids != second.ids:
        raise ValueError(f"{first.problem} was judged on different examples")
    found = []
    for one, other in zip(first.figures, second.figures, strict=True):
        low, high = interval(one.sums_NK, other.sums_NK, one.finish, seed)
        found.append(Difference(first.problem, one, one.value, other.value, low, high))
    return found


def interval(
    first_NK: np.ndarray, second_NK: np.ndarray, finish: Callable[[np.ndarray], float], seed: int
) -> tuple[float, float]:
    """What encloses finish(sum of first_NK) - finish(sum of second_NK) with 95 % confidence.

    A paired percentile bootstrap (Efron and Tibshirani 1993, chapter 13): examples are drawn with replacement, 1,000
    times, the same for both, and each time their sums are finished as the whole's are. Equal seeds draw alike for equal
    numbers of examples. What has no figure (no sentence that counts) is left out; (NaN, NaN) if nothing else was drawn.
    """
    random = generator(seed, "bootstrap")
    found = []
    for _ in range(RESAMPLES):
        times_N = np.bincount(random.integers(len(first_NK), size=len(first_NK)), minlength=len(first_NK))
        found.append(finish(times_N @ first_NK) - finish(times_N @ second_NK))
    known = [difference for difference in found if not np.isnan(difference)]
    if not known:
        return float("nan"), float("nan")
    tail = (100.0 - LEVEL_PERCENT) / 2
    low, high = np.percentile(known, [tail, 100.0 - tail])
    return float(low), float(high)
