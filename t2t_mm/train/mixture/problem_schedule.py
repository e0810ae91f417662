"""Schedules of mixing rates: rates that change during a run, such as pretraining on one problem before mixing all.

The hparam problem_schedule says how rates change and then lists points, each with a step and the rates at that step:

    step @0 lm_text8:1 @20000 uniform                    20,000 steps of one problem, then equal rates
    linear @0 lm_text8:1 @20000 lm_text8:1 parsing_wsj:3   from one problem alone to three steps in four of the other
    exponential @1000 proportional @50000 adaptive

Rates are "name:rate ..." (0 for a problem that is not named; scaled to sum to 1) or the name of a scheme of mixer.py.
Before the first point the rates are those of the first point, after the last point those of the last one. In between:

    step         rates are those of the point before
    linear       rates change by equal amounts
    exponential  rates change by equal factors and are scaled to sum to 1: the ratio of two rates changes by the same
                 factor in equal numbers of steps. If a rate is 0 at one point, a 10,000th of its value at the other
                 point is used instead.

This is T2T's MultiProblem (its mixing schedules constant, pretrain and exponential, for a first problem and the rest)
and its MultiProblemV2 (linear and step between points), with names of problems, and steps instead of examples.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from t2t_mm.errors import UnknownName, UserError
from t2t_mm.train.mixture.problem_rates import parse_rates

CHANGES = ("step", "linear", "exponential")
LEAST = 1e-4  # of the rate at the other point: used for a rate of 0 if rates change by factors; T2T's min_value
FORM = 'Write problem_schedule as "linear @0 first:1 @10000 uniform": step, linear or exponential, then points.'


@dataclass(frozen=True)
class Point:
    """A point of a schedule: the rates at a step, one for each problem of the run or the name of a scheme."""

    step: int
    rates: str | tuple[float, ...]


@dataclass(frozen=True)
class ProblemSchedule:
    """A schedule of mixing rates: how rates change, and the points in the order of their steps."""

    change: str
    points: tuple[Point, ...]

    def rates_at(self, steps_N: np.ndarray, rates_KP: np.ndarray) -> np.ndarray:
        """Return the rates at each of `steps_N`, float64[N, P]; each row sums to 1.

        `rates_KP` are the rates at the points; each row sums to 1.
        """
        at_K = np.array([point.step for point in self.points], np.float64)
        steps_N = np.clip(steps_N.astype(np.float64), at_K[0], at_K[-1])
        before_N = np.searchsorted(at_K, steps_N, side="right") - 1
        if self.change == "step" or len(at_K) == 1:
            return rates_KP[before_N]
        before_N = np.minimum(before_N, len(at_K) - 2)
        share_N1 = ((steps_N - at_K[before_N]) / (at_K[before_N + 1] - at_K[before_N]))[:, None]
        from_NP, to_NP = rates_KP[before_N], rates_KP[before_N + 1]
        if self.change == "linear":
            return (1.0 - share_N1) * from_NP + share_N1 * to_NP
        low_NP, high_NP = np.maximum(from_NP, LEAST * to_NP), np.maximum(to_NP, LEAST * from_NP)
        mixed_NP = low_NP ** (1.0 - share_N1) * high_NP**share_N1
        mixed_NP = np.where(share_N1 == 0, from_NP, np.where(share_N1 == 1, to_NP, mixed_NP))
        return mixed_NP / mixed_NP.sum(axis=1, keepdims=True)


def parse_schedule(text: str, problems: Sequence[str], schemes: Sequence[str]) -> ProblemSchedule:
    """Return the schedule that `text` describes.

    Args:
        text: as in the docstring of this module.
        problems: the problems of the run.
        schemes: names of schemes that a point may have.

    Raises UserError for a text of another form.
    """
    change, *words = text.split() or [""]
    if change not in CHANGES:
        raise UserError(f"problem_schedule is {text!r}; its first word must say how rates change. {FORM}")
    starts = [index for index, word in enumerate(words) if word.startswith("@")]
    if not starts or starts[0] != 0:
        raise UserError(f"problem_schedule is {text!r}; each of its points must begin with @ and a step. {FORM}")
    points = [
        _point(words[start], words[start + 1 : end], problems, schemes)
        for start, end in zip(starts, [*starts[1:], len(words)], strict=True)
    ]
    for one, other in zip(points, points[1:], strict=False):
        if one.step >= other.step:
            raise UserError(f"problem_schedule goes from @{one.step} to @{other.step}; steps must increase. {FORM}")
    return ProblemSchedule(change, tuple(points))


def without_other_problems(text: str, problems: Collection[str]) -> tuple[str, list[str]]:
    """Return the schedule `text` without problems other than `problems`, and the list of what was removed.

    Each item of the list is a rate or a complete point. A point is removed if all of its rates are removed or those
    left are all 0. The schedule is "" if no point is left.
    """
    change, *words = text.split() or [""]
    points: list[list[str]] = []
    for word in words:
        if word.startswith("@") or not points:
            points.append([])
        points[-1].append(word)
    kept, removed = [], []
    for at, *rates in points:
        others = [rate for rate in rates if ":" in rate and rate.partition(":")[0] not in problems]
        stay = [rate for rate in rates if rate not in others]
        if others and not any(rate.rpartition(":")[2].strip("0.") for rate in stay):
            removed.append(" ".join([at, *rates]))
        else:
            removed += others
            kept += [at, *stay]
    return " ".join([change, *kept]) if kept else "", removed


def _point(at: str, rates: Sequence[str], problems: Sequence[str], schemes: Sequence[str]) -> Point:
    what = f"problem_schedule at {at}"
    if not at[1:].isdecimal():
        raise UserError(f"problem_schedule contains {at!r}; a step, such as @10000, was expected there. {FORM}")
    if not rates:
        raise UserError(f"{what} names no rates. {FORM}")
    if len(rates) == 1 and ":" not in rates[0]:
        if rates[0] not in schemes:
            raise UnknownName("scheme of rates", rates[0], schemes, FORM)
        return Point(int(at[1:]), rates[0])
    parsed = parse_rates(rates, problems, what, FORM)
    total = sum(parsed.values())
    return Point(int(at[1:]), tuple(parsed.get(name, 0.0) / total for name in problems))
