"""The dev example that a run decodes at every evaluation, so that one sees what it learns."""

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
    """An example as its record holds it."""

    id: str
    stored: Mapping[str, bytes]  # by feature

    def windows(self, codecs: Mapping[str, Codec], hparams: DataHparams) -> list["FixedExample"]:
        """The example in the parts in which it is read, one at a time; as a rule, itself."""
        parts = {name: codecs[name].windows(one, hparams) for name, one in self.stored.items()}
        count = max(map(len, parts.values()))
        return [
            FixedExample(self.id, {name: some[place % len(some)] for name, some in parts.items()})
            for place in range(count)
        ]


def fixed_example(ready: GeneratedProblem) -> FixedExample:
    """The one example that stands for the problem: a function of its dev set alone. Raises CorruptRecord if none can
    be read."""
    split = ready.manifest.splits[DEV]
    reader = SplitReader(ready.folder, split)
    places = np.arange(split.examples)
    while True:
        which = middling(reader.lengths_NF[places])
        [record] = reader.read_each(places[[which]].tolist())
        if not isinstance(record, CorruptRecord):
            return FixedExample(record["id"], {name: record[name] for name in ready.codecs})
        if len(places) == 1:
            raise record
        places = np.delete(places, which)


def middling(lengths_NF: np.ndarray) -> int:
    """The example nearest the middle of those that are no longer than the median in any feature.

    Where every example is longer in one or another, those that are so by the least factor count.
    """
    factor_N = (lengths_NF / np.maximum(np.median(lengths_NF, axis=0), 1)).max(axis=1)
    modest = np.flatnonzero(factor_N <= max(1.0, float(factor_N.min())))
    return int(modest[np.argmin(np.abs(modest - len(lengths_NF) // 2))])


def right_answers(target: Codec, stored: bytes, source: Any = None) -> list[str]:
    """Every right answer that a stored target holds, in words. `source` is the raw input, where there is one."""
    return [target.answer(one, source) for one in target.references(stored)]
