"""Whether the records of a problem are what a model expects, asked before a run that would find out late."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from t2t_mm.data.input.corrupt_records import SKIP, CorruptRecord
from t2t_mm.data.input.generated_problem import GeneratedProblem
from t2t_mm.data.input.records import Split, SplitReader
from t2t_mm.errors import UserError
from t2t_mm.feature import Arrays, Codec
from t2t_mm.hparam_set import DataHparams
from t2t_mm.problem import DEV, TRAIN

BRIEFLY = 8  # records of a split that are read before every run
THOROUGHLY = 2000
FAULTS = 5  # of a split, after which no more are looked for
AT_ONCE = 32  # records


@dataclass(frozen=True)
class Looked:
    """What was found of one split."""

    problem: str
    split: str
    examples: int
    read: int  # records, spread evenly over the split
    left_out: Mapping[str, int]  # when the data was made, by reason
    too_long: int  # examples that training leaves out for their length; 0 for other splits, which are used whole
    faults: tuple[str, ...]  # sentences
    corrupt: tuple[str, ...] = ()  # sentences about records that can't be read; faults unless corrupt_record is skip

    @property
    def dropped(self) -> float:
        """The share of the source's examples that no step will see; 0 to 1."""
        left_out = sum(self.left_out.values())
        return (left_out + self.too_long) / max(1, self.examples + left_out)


def check_briefly(ready: GeneratedProblem, hparams: DataHparams) -> None:
    """Raise UserError for the first fault found in a problem's files, its index of lengths and a few of its records."""
    for looked in look(ready, hparams, BRIEFLY):
        if looked.faults:
            raise UserError(looked.faults[0])


def look(ready: GeneratedProblem, hparams: DataHparams, most: int | None = THOROUGHLY) -> Iterator[Looked]:
    """Look at every split, and at `most` records of each (None: all)."""
    for split in sorted({TRAIN, DEV, *ready.manifest.splits}, key=(TRAIN, DEV, *ready.manifest.splits).index):
        yield _look(ready, split, hparams, most)


def _look(ready: GeneratedProblem, split: str, hparams: DataHparams, most: int | None) -> Looked:
    written = ready.manifest.splits.get(split)
    if written is None:
        return Looked(ready.name, split, 0, 0, {}, 0, (f"The manifest in {ready.folder} names no split {split}.",))
    faults = list(_faults_of_manifest(ready, split, written))
    corrupt: list[str] = []
    read = too_long = 0
    if not faults:
        try:
            reader = SplitReader(ready.folder, written)
            faults = list(_faults_of_index(ready, split, reader))
            if split == TRAIN:
                longest_F = [codec.longest(hparams) for codec in ready.codecs.values()]
                too_long = int((ready.read_lengths(reader.lengths_NF, hparams) > longest_F).any(axis=1).sum())
            places = _spread(written.examples, most)
            for start in range(0, len(places), AT_ONCE):
                some = places[start : start + AT_ONCE]
                for place, record in zip(some, reader.read_each(some), strict=True):
                    try:
                        fault = _fault_of(record, place, reader, ready.codecs, hparams)
                    except CorruptRecord as error:
                        corrupt.append(error.sentence)
                        faults += [str(error)] if hparams.corrupt_record != SKIP else []
                        continue
                    if fault is not None:
                        faults.append(f"Record {place:,} of {split} of {ready.name} {fault} {_again(ready)}")
                read += len(some)
                if len(faults) >= FAULTS:
                    break
        except UserError as error:
            faults.append(str(error))
    return Looked(ready.name, split, written.examples, read, written.dropped, too_long, tuple(faults), tuple(corrupt))


def _spread(examples: int, most: int | None) -> list[int]:
    """At most `most` places from 0 to `examples` - 1, evenly apart, the first and the last among them."""
    count = examples if most is None else min(most, examples)
    return np.linspace(0, examples - 1, count).round().astype(int).tolist()


def _faults_of_manifest(ready: GeneratedProblem, split: str, written: Split) -> Iterator[str]:
    in_shards = sum(shard.examples for shard in written.shards)
    if in_shards != written.examples:
        yield (
            f"The manifest in {ready.folder} counts {written.examples:,} examples of {split}, and {in_shards:,} in its "
            f"files. {_again(ready)}"
        )
    if set(written.tokens) != set(ready.codecs):
        yield (
            f"The manifest in {ready.folder} counts the lengths of {', '.join(written.tokens)} of {split}; expected "
            f"{', '.join(ready.codecs)}. {_again(ready)}"
        )
    if not written.examples:
        yield f"There are no examples in {split} of {ready.name}. {_again(ready)}"


def _faults_of_index(ready: GeneratedProblem, split: str, reader: SplitReader) -> Iterator[str]:
    totals_F = reader.lengths_NF.sum(axis=0, dtype=np.int64).tolist()
    for feature, total in zip(ready.codecs, totals_F, strict=True):
        noted = ready.manifest.splits[split].tokens[feature]
        if total != noted:
            yield (
                f"The {feature} of {split} of {ready.name} have a length of {noted:,} in all by the manifest, and "
                f"{total:,} by the index beside the records. {_again(ready)}"
            )


def _fault_of(
    record: Mapping[str, Any] | CorruptRecord,
    place: int,
    reader: SplitReader,
    codecs: Mapping[str, Codec],
    hparams: DataHparams,
) -> str | None:
    """What is wrong with a record, as the end of a sentence that begins with its name. Raises CorruptRecord."""
    if isinstance(record, CorruptRecord):
        raise record
    if set(record) != {"id", *codecs}:
        return f"holds {', '.join(record)}; expected id, {', '.join(codecs)}."
    for (feature, codec), length in zip(codecs.items(), reader.lengths_NF[place].tolist(), strict=True):
        try:
            found = codec.length(record[feature])
            if found != length:
                return f"has {feature} of {codec.measured(found)}; its index says {codec.measured(length)}."
            for stored in codec.references(record[feature]):
                value = codec.load(stored, hparams, None)
                fault = _fault_of_arrays(codec.batch([value], 1, codec.length(stored)), codec, hparams)
                if fault is not None:
                    return f"has {feature} {fault}"
        except Exception as error:  # of every kind: a damaged value breaks each reader in its own way
            raise reader.corrupt(place, f"its {feature} can't be read ({error!r:.200})") from error
    return None


def _fault_of_arrays(arrays: Arrays, codec: Codec, hparams: DataHparams) -> str | None:
    """How the arrays of one value differ from what the modality net is built for."""
    size = codec.port.size
    spec = codec.spec(hparams)
    if set(arrays) != set(spec):
        return f"that make the arrays {', '.join(arrays)}; the model expects {', '.join(spec)}."
    for name, expected in spec.items():
        array = arrays[name]
        fits = len(array.shape) == len(expected.shape) and all(
            wanted in (None, found) for found, wanted in zip(array.shape, expected.shape, strict=True)
        )
        if array.dtype != expected.dtype or not fits:
            return (
                f"that make {name} of {array.dtype}{list(array.shape)}; the model expects "
                f"{expected.dtype}{['any' if side is None else side for side in expected.shape]}."
            )
        if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
            return f"whose {name} are not all finite."
        if size and array.dtype == np.int32 and not name.endswith("lengths"):
            outside = array[(array < 0) | (array >= size)]
            if outside.size:
                return f"with the {name} {int(outside.flat[0])}; {codec.port.key} has those from 0 to {size - 1:,}."
    return None


def _again(ready: GeneratedProblem) -> str:
    return f"Remove {ready.folder} and generate it again."
