"""The base class of the metrics of decoded text, with its argument and result types.

N examples, K sums.
"""

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np


@dataclass(frozen=True)
class Case:
    """One example: a model's outputs and the right answers, the references.

    Both are plain text, so that metrics are independent of models and vocabularies.
    """

    outputs: tuple[str, ...]  # best first: one text, or class names; empty if there is no answer
    references: tuple[str, ...]  # all right answers, at least one
    well_formed: bool = True  # False for an output that had to be repaired before display

    @property
    def output(self) -> str:
        """The best output; an empty string if there is none."""
        return self.outputs[0] if self.outputs else ""


@dataclass(frozen=True)
class Counted:
    """The sums of a metric for some cases."""

    sums_NK: np.ndarray  # float64, a row for each case
    how: str  # one line with all that a reader needs to reproduce the figure


@dataclass(frozen=True)
class Style:
    """The number format of a figure."""

    factor: float
    digits: int
    unit: str = ""

    def text(self, value: float, sign: str = "") -> str:
        """Return `value` as text; with `sign` "+" a positive value has its sign too."""
        return f"{self.factor * value:{sign}.{self.digits}f}{self.unit}"


SHARE = Style(100.0, 1, " %")  # a share from 0 to 1, shown in per cent
POINTS = Style(1.0, 2)  # points from 0 to 100
PLAIN = Style(1.0, 3)


class TextMetric(abc.ABC):
    """Base class of the metrics of decoded text.

    A metric maps each case to a vector of sums. The sums of cases are added, and `finish` computes the figure from any
    total, so that a figure and its bootstrap confidence interval come from the same counts. A metric has no state.
    """

    head: ClassVar[str]  # the heading of its column
    style: ClassVar[Style]
    higher_is_better: ClassVar[bool] = True

    @abc.abstractmethod
    def count(self, cases: Sequence[Case]) -> Counted:
        """Return the sums of each case, in order."""

    @abc.abstractmethod
    def finish(self, sums_K: np.ndarray) -> float:
        """Return the figure of a total of sums; NaN if nothing was counted."""


def ratio(sums_K: np.ndarray) -> float:
    """Return the first sum divided by the second; NaN if the second is 0."""
    return float(sums_K[0] / sums_K[1]) if sums_K[1] else float("nan")


def shares(holds: Sequence[bool]) -> np.ndarray:
    """Return the sums of a share of cases: (1 if it holds, else 0; 1) for each case."""
    return np.array([[float(true), 1.0] for true in holds], np.float64).reshape(-1, 2)
