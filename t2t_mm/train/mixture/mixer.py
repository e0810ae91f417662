"""Mixture of problems: choose the problem of each training step by mixing rates.

The mixing rates sum to 1. The scheme (hparams.problem_choice) sets the rate of each problem:

    uniform       the same rate for all
    proportional  rate ~ (training examples) ^ (1 / problem_temperature): temperature 1 is proportional to the data,
                  a high temperature is close to uniform
    adaptive      rate ~ normalised loss: an exponential moving average of the problem's loss, divided by the loss of
                  guessing by the unigram distribution of its targets, so that bytes, subwords and classes can be
                  compared; no rate falls below problem_floor times the uniform rate
    fixed         the rates of problem_rates, "name:rate name:rate ...", scaled to sum to 1
    scheduled     rates that change with the step, by problem_schedule: see problem_schedule.py
    distributed   a problem for each worker, see below; by the rates of problem_rates, or by equal rates without them

The choice of a step is a function of (seed, step, rates). The steps walk around a circle by the golden ratio, from a
point that the seed sets, and each problem owns an arc as wide as its rate. Such a walk visits every arc at even
intervals: at any moment the steps that a problem has taken differ from its rate by a few steps only, and a problem with
rate r comes at least once in any 2 / r steps. A random draw would give neither. If rates change, the arcs grow and
shrink under the same walk. The steps taken then differ from those due by at most some tens of steps (measured up to
300,000 steps), so no state needs to be carried from step to step. (T2T's "adaptive" took raw losses as
log-probabilities, which nearly always chose the worst problem.)

With `distributed` each of n workers walks around an n-th of the circle at the same pace: worker w is at (w + x) / n
where a single walker would be at x. So with as many problems as workers and equal rates, each worker has its own
problem, as in T2T. With more problems than workers each worker goes through its share of them, and with fewer problems
several workers have the same one. Every worker can compute the problems of the others.
"""

import math
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from t2t_mm.errors import UserError
from t2t_mm.hparam_set import TrainingHparams
from t2t_mm.train.mixture.problem_rates import parse_rates
from t2t_mm.train.mixture.problem_schedule import parse_schedule

ADAPTIVE, SCHEDULED, DISTRIBUTED = "adaptive", "scheduled", "distributed"
STEP_INDEPENDENT = ("uniform", "proportional", ADAPTIVE, "fixed")  # schemes whose rates do not depend on the step
GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 divided by the golden ratio, odd
LAST = 1.0 - 2.0**-53  # the last point on the circle
DECAY = 0.9  # of the moving average of a problem's loss, at each of its steps
AT_ONCE = 65536  # steps whose rates are computed together
LEAST_NATS = 0.01  # least divisor of a loss, for targets that are (almost) always the same


@dataclass(frozen=True)
class ProblemFacts:
    """Figures of a problem's training split that the mixing rates depend on."""

    examples: int  # in an epoch
    batches: int  # in an epoch
    tokens: int  # target tokens in an epoch
    unigram_nats: float  # a target token's mean loss under the unigram distribution of the training targets


class Mixer:
    """Chooser of the problem of each step; the adaptive scheme follows the problems' losses.

    With the scheme `distributed` a step takes one problem for each of `workers`; otherwise `workers` is 1.
    """

    def __init__(
        self, problems: Mapping[str, ProblemFacts], hparams: TrainingHparams, seed: int, workers: int = 1
    ) -> None:
        """Set up the scheme of `hparams`. Raises UserError for rates that name no problem of the run or are invalid."""
        self.scheme, self.workers = hparams.problem_choice, workers
        if not problems:
            raise UserError("There is no problem to train on; name at least one with --problems.")
        self._problems = dict(problems)
        self._start = np.uint64(zlib.crc32(f"mixing {seed}".encode()) << 32)
        self._losses = {name: 1.0 for name in problems}  # normalised; 1 is the loss of the unigram distribution
        self._floor = hparams.problem_floor / len(problems)
        self._schedule = None
        schemes = [self.scheme]
        if self.scheme == SCHEDULED:
            self._schedule = parse_schedule(hparams.problem_schedule, list(problems), STEP_INDEPENDENT)
            schemes = [point.rates for point in self._schedule.points if isinstance(point.rates, str)]
        self._shares = {scheme: _constant_shares(scheme, self._problems, hparams) for scheme in schemes}
        self.adaptive = ADAPTIVE in schemes  # True if the rates depend on the losses

    def rates(self, step: int = 1) -> dict[str, float]:
        """Return the mixing rate of each problem at `step`, by the losses so far; they sum to 1."""
        return dict(zip(self._problems, self._rates(np.array([step]))[0].tolist(), strict=True))

    def mean_rates(self, first: int, last: int) -> dict[str, float]:
        """Return the mean rate of each problem in the steps `first` to `last`, both included, by the losses so far."""
        if self._schedule is None or last < first:
            return self.rates(first)
        total_P = np.sum([self._rates(steps_N).sum(axis=0) for steps_N in _spans(first, last)], axis=0)
        return dict(zip(self._problems, (total_P / (last - first + 1)).tolist(), strict=True))

    def choose(self, step: int, worker: int = 0) -> str:
        """Return the problem of `step`, or of one worker in it, by the losses so far."""
        return list(self._problems)[int(self._walk(np.array([step], np.uint64), worker)[0])]

    def count(self, first: int, last: int) -> dict[str, int]:
        """Return how many of the steps `first` to `last` (both included) each problem takes, by the losses so far.

        The steps of several workers are added up.
        """
        counts_P = np.zeros(len(self._problems), np.int64)
        for steps_N in _spans(first, last):
            for worker in range(self.workers):
                counts_P += np.bincount(self._walk(steps_N, worker), minlength=len(counts_P))
        return dict(zip(self._problems, counts_P.tolist(), strict=True))

    def observe(self, name: str, loss: Any) -> None:
        """Update the moving average of a problem's loss by the loss (nats per target token) of a step on it.

        Only adaptive rates read the loss, so only they wait for a tensor that is still being computed. A non-finite
        loss changes nothing.
        """
        if not self.adaptive:
            return
        normalised = float(loss) / max(self._problems[name].unigram_nats, LEAST_NATS)
        if math.isfinite(normalised):
            self._losses[name] += (1.0 - DECAY) * (normalised - self._losses[name])

    def state(self) -> dict[str, Any]:
        """Return the state that a resumed run needs to choose as this one would; JSON keeps it exactly."""
        return {"normalised_losses": dict(self._losses)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`. Raises UserError if it is that of other problems."""
        losses = state["normalised_losses"]
        if losses.keys() != self._losses.keys():
            raise UserError(
                f"The run was interleaving {', '.join(sorted(losses))}; "
                f"it cannot go on with {', '.join(sorted(self._losses))}."
            )
        self._losses.update(losses)

    def _walk(self, steps_N: np.ndarray, worker: int) -> np.ndarray:
        """Return the index of the problem on whose arc each step of a worker lands, int[N]."""
        edges_NP = np.cumsum(self._rates(steps_N), axis=1)
        places_N = ((steps_N * GOLDEN + self._start) >> np.uint64(11)).astype(np.float64) * 2.0**-53  # in [0, 1)
        places_N = np.minimum((places_N + worker) / self.workers, LAST)
        return np.sum(edges_NP <= places_N[:, None] * edges_NP[:, -1:], axis=1)

    def _rates(self, steps_N: np.ndarray) -> np.ndarray:
        """Return the rates float64[N, P], or [1, P] if they do not depend on the step."""
        if self._schedule is None:
            return np.array([self._rates_of(self.scheme)])
        rates = [
            self._rates_of(point.rates) if isinstance(point.rates, str) else point.rates
            for point in self._schedule.points
        ]
        return self._schedule.rates_at(steps_N, np.array(rates))

    def _rates_of(self, scheme: str) -> list[float]:
        """Return the rates of a scheme that does not depend on the step."""
        if scheme == ADAPTIVE:
            return list(_no_lower_than(self._floor, self._losses).values())
        return list(_scaled(self._shares[scheme]).values())


def _constant_shares(scheme: str, problems: Mapping[str, ProblemFacts], hparams: TrainingHparams) -> dict[str, float]:
    if scheme == "fixed" or (scheme == DISTRIBUTED and hparams.problem_rates):
        return _fixed(hparams.problem_rates, problems)
    if scheme == "proportional":
        temperature = hparams.problem_temperature
        if not temperature > 0:
            raise UserError(f"problem_temperature must be above 0; received {temperature}.")
        largest = max(facts.examples for facts in problems.values())  # keeps a small temperature from overflowing
        return {name: (facts.examples / largest) ** (1.0 / temperature) for name, facts in problems.items()}
    return {name: 1.0 for name in problems}


def _fixed(text: str, problems: Mapping[str, ProblemFacts]) -> dict[str, float]:
    form = 'Write problem_rates as "name:rate name:rate", a rate of 0 or more for every problem of the run.'
    rates = parse_rates(text.split(), problems, "problem_rates", form)
    missing = [name for name in problems if name not in rates]
    if missing:
        raise UserError(f"problem_rates is {text!r}, without a rate for {', '.join(missing)}. {form}")
    return {name: rates[name] for name in problems}


def _spans(first: int, last: int) -> Iterator[np.ndarray]:
    """Yield the steps `first` to `last` in parts, uint64[N]."""
    for start in range(first, last + 1, AT_ONCE):
        yield np.arange(start, min(start + AT_ONCE, last + 1), dtype=np.uint64)


def _scaled(shares: Mapping[str, float]) -> dict[str, float]:
    total = sum(shares.values())
    return {name: share / total for name, share in shares.items()}


def _no_lower_than(floor: float, shares: Mapping[str, float]) -> dict[str, float]:
    """Return `shares` scaled to sum to 1, none below `floor`: lower ones become `floor`, the others share the rest."""
    lifted: set[str] = set()
    while True:
        rest = {name: share for name, share in shares.items() if name not in lifted}
        left, total = 1.0 - floor * len(lifted), sum(rest.values())
        rates = {name: left * share / total if total else left / len(rest) for name, share in rest.items()}
        low = {name for name, rate in rates.items() if rate < floor} if len(rest) > 1 else set()
        if not low:
            return {name: rates.get(name, floor) for name in shares}
        lifted |= low
