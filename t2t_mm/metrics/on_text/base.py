"""The contract of every metric of decoded output: what it reads, what it counts, and how counts become a figure.

N examples, K sums.
"""

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np


@dataclass(frozen=True)
class Case:
    """One example: what a model put out, in words, and what would have been right.

    Both are plain text, so that a metric knows neither models nor vocabularies.
    """

    outputs: tuple[str, ...]  # best first: one text, or classes by name; empty where there is no answer
    references: tuple[str, ...]  # every right answer, at least one
    well_formed: bool = True  # false for an output that had to be repaired before it could be shown

    @property
    def output(self) -> str:
        """The best output; an empty one where there is none."""
        return self.outputs[0] if self.outputs else ""


@dataclass(frozen=True)
class Counted:
    """What a metric made of some cases."""

    sums_NK: np.ndarray  # float64, a row for each case
    how: str  # in one line: what a reader must know to repeat the figure


@dataclass(frozen=True)
class Style:
    """How figures are written."""

    factor: float
    digits: int
    unit: str = ""

    def text(self, value: float, sign: str = "") -> str:
        """`value` as it is shown; `sign` "+" shows it with its sign."""
        return f"{self.factor * value:{sign}.{self.digits}f}{self.unit}"


SHARE = Style(100.0, 1, " %")  # of something, 0 to 1
POINTS = Style(1.0, 2)  # of a hundred
PLAIN = Style(1.0, 3)


class TextMetric(abc.ABC):
    """Judges decoded output.

    A case's sums and another's add up, and `finish` makes the figure of any total, so that a figure and its bootstrap
    interval come from the same counts. A metric has no state.
    """

    head: ClassVar[str]  # of its column
    style: ClassVar[Style]
    higher_is_better: ClassVar[bool] = True

    @abc.abstractmethod
    def count(self, cases: Sequence[Case]) -> Counted:
        """The sums of each case, in order."""

    @abc.abstractmethod
    def finish(self, sums_K: np.ndarray) -> float:
        """The figure; NaN where nothing was counted."""


def ratio(sums_K: np.ndarray) -> float:
    """The first sum per unit of the second; NaN where nothing was counted."""
    return float(sums_K[0] / sums_K[1]) if sums_K[1] else float("nan")


def shares(found: Sequence[bool]) -> np.ndarray:
    """The sums of a share: (whether it holds, 1) for each case."""
    return np.array([[float(holds), 1.0] for holds in found], np.float64).reshape(-1, 2)
