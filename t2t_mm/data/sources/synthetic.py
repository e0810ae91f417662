"""Synthetic examples, made from a seed: no files are needed, and every machine makes the same ones."""

import abc
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from t2t_mm.data.keyed_rng import generator
from t2t_mm.problem import DEV, TRAIN, Example, Source


class SyntheticSource(Source):
    """Train and dev examples, each a function of (name, split, index) alone.

    A subclass makes one example in `make`. If examples are so few that some repeat, `key` returns what must not be in
    both splits. The hash of a key assigns it to train or to dev, so dev has only unseen keys.
    """

    name: ClassVar[str]  # part of the random key of every example
    train: ClassVar[int] = 5000  # examples
    dev: ClassVar[int] = 400

    @abc.abstractmethod
    def make(self, rng: np.random.Generator) -> Mapping[str, Any]:
        """Return the values of one example, by feature name."""

    @abc.abstractmethod
    def key(self, values: Mapping[str, Any]) -> str | None:
        """Return what of an example must be in one split only; None if examples practically never repeat."""

    def present(self, tmp_dir: Path) -> bool:
        return True

    def splits(self, tmp_dir: Path) -> tuple[str, ...]:
        return (TRAIN, DEV)

    def count(self, split: str, tmp_dir: Path) -> int:
        return {TRAIN: self.train, DEV: self.dev}[split]

    def examples(self, split: str, tmp_dir: Path) -> Iterator[Example]:
        return self.examples_from(split, tmp_dir, 0)

    def examples_from(self, split: str, tmp_dir: Path, start: int) -> Iterator[Example]:
        for index in range(start, self.count(split, tmp_dir)):
            yield Example(f"{split}/{index}", self.example(split, index))

    def example(self, split: str, index: int) -> Mapping[str, Any]:
        """Return the values of one example.

        They are drawn from the example's own generator until they belong to its split.
        """
        rng = generator(self.name, split, index)
        while True:
            values = self.make(rng)
            key = self.key(values)
            if key is None or (zlib.crc32(key.encode()) % 10 == 0) == (split == DEV):
                return values
