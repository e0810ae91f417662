"""The problem: generated readings of a gauge as inputs, a word for each reading as targets."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from t2t_mm.data.features.text import Text
from t2t_mm.data.sources.synthetic import SyntheticSource
from t2t_mm.problem import Problem
from t2t_mm.registry import PROBLEMS

from .series import Series

WORDS = ("low", "middle", "high")


class Gauge(SyntheticSource):
    """Three to eight readings between 0 and 1, and the word for each."""

    name = "gauge"
    train = 300
    dev = 30

    def key(self, values: Mapping[str, Any]) -> None:
        return None

    def make(self, rng: np.random.Generator) -> Mapping[str, Any]:
        readings = rng.random(rng.integers(3, 9)).round(2)
        return {"inputs": readings, "targets": " ".join(WORDS[int(reading * 2.999)] for reading in readings)}


@PROBLEMS.register
class SayReadings(Problem):
    """Readings of a gauge to words: low, middle or high."""

    source = Gauge()
    inputs = Series()
    targets = Text(vocabulary="readings")
    command = "to-readings"
