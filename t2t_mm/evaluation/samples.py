"""A few dev examples with the model's outputs, for people to read."""

from dataclasses import dataclass

import numpy as np

from t2t_mm.data.input.corrupt_records import CorruptRecord
from t2t_mm.data.input.generated_problem import GeneratedProblem
from t2t_mm.data.input.records import SplitReader
from t2t_mm.decoding.decoder import Decoded, Decoder
from t2t_mm.evaluation.fixed_example import right_answers
from t2t_mm.problem import DEV


@dataclass(frozen=True)
class Sample:
    """One example as text."""

    id: str
    inputs: str
    output: str  # the model's
    target: str  # the reference, or the first of several


def samples(decoder: Decoder, ready: GeneratedProblem, count: int) -> list[Sample]:
    """Return `count` examples spread over the dev set, decoded greedily; none for a problem that reads no input.

    Examples with corrupt records are left out.
    """
    if "inputs" not in ready.codecs:
        return []
    split = ready.manifest.splits[DEV]
    indices = np.linspace(0, split.examples - 1, min(count, split.examples)).astype(int).tolist()
    read = SplitReader(ready.folder, split).read_each(indices)
    records = [record for record in read if not isinstance(record, CorruptRecord)]
    codec, target = ready.codecs["inputs"], ready.codecs["targets"]
    values = [codec.value(record["inputs"]) for record in records]
    results = []
    for record, value, answer in zip(records, values, decoder.decode(ready.name, values), strict=True):
        shown = codec.show(codec.load(record["inputs"], decoder.hparams, None))
        output = answer.text if isinstance(answer, Decoded) else answer.reason
        results.append(Sample(record["id"], shown, output, right_answers(target, record["targets"], value)[0]))
    return results
