"""The dev example of a problem that a run decodes at every evaluation, to show what it has learnt so far."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from t2t_mm.data.input.corrupt_records import CorruptRecord
from t2t_mm.data.input.generated_problem import GeneratedProblem
from t2t_mm.data.input.records import SplitReader
from t2t_mm.feature import Codec
from t2t_mm.hparam_set import DataHparams
from t2t_mm.problem import DEV


@dataclass(frozen=True)
class FixedExample:
    """An example as stored in its record."""

    id: str
    stored: Mapping[str, bytes]  # by feature

    def windows(self, codecs: Mapping[str, Codec], hparams: DataHparams) -> list["FixedExample"]:
        """Return the windows of the example that are read one at a time; most examples have one, the example itself."""
        parts = {name: codecs[name].windows(one, hparams) for name, one in self.stored.items()}
        count = max(map(len, parts.values()))
        return [
            FixedExample(self.id, {name: some[place % len(some)] for name, some in parts.items()})
            for place in range(count)
        ]


def fixed_example(ready: GeneratedProblem) -> FixedExample:
    """Return the example that represents the problem; it depends only on the dev set.

    Raises CorruptRecord if no example can be read.
    """
    split = ready.manifest.splits[DEV]
    reader = SplitReader(ready.folder, split)
    places = np.arange(split.examples)
    while True:
        index = typical_example(reader.lengths_NF[places])
        [record] = reader.read_each(places[[index]].tolist())
        if not isinstance(record, CorruptRecord):
            return FixedExample(record["id"], {name: record[name] for name in ready.codecs})
        if len(places) == 1:
            raise record
        places = np.delete(places, index)


def typical_example(lengths_NF: np.ndarray) -> int:
    """Return the index of an example of typical length.

    Of the examples that are not longer than the median in any feature, it is the one nearest to the middle of the set.
    If every example is longer than the median in some feature, those that exceed it by the least factor are used.
    """
    factor_N = (lengths_NF / np.maximum(np.median(lengths_NF, axis=0), 1)).max(axis=1)
    modest = np.flatnonzero(factor_N <= max(1.0, float(factor_N.min())))
    return int(modest[np.argmin(np.abs(modest - len(lengths_NF) // 2))])


def right_answers(target: Codec, stored: bytes, source: Any = None) -> list[str]:
    """Return every reference of a stored target as text. `source` is the raw input, if there is one."""
    return [target.answer(one, source) for one in target.references(stored)]
