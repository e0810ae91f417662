"""Check that the records of a problem fit the model, before a run that would detect it late."""

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

BRIEFLY = 8  # records of each split that are read before every run
THOROUGHLY = 2000  # records of each split that --check reads
FAULTS = 5  # of a split, after which the check of it stops
AT_ONCE = 32  # records read in one call


@dataclass(frozen=True)
class SplitCheck:
    """The result of the check of one split."""

    problem: str
    split: str
    examples: int
    read: int  # records, spread evenly over the split
    left_out: Mapping[str, int]  # examples left out when the data was made, by reason
    too_long: int  # examples that training leaves out because of their length; 0 for other splits
    faults: tuple[str, ...]  # a sentence each
    corrupt: tuple[str, ...] = ()  # a sentence for each unreadable record; also in faults, unless it is skipped

    @property
    def dropped(self) -> float:
        """The share of the source's examples that no step will see, from 0 to 1."""
        left_out = sum(self.left_out.values())
        return (left_out + self.too_long) / max(1, self.examples + left_out)


def check_briefly(ready: GeneratedProblem, hparams: DataHparams) -> None:
    """Raise UserError for the first fault in a problem's files, its index of lengths and a few of its records."""
    for checked in check_splits(ready, hparams, BRIEFLY):
        if checked.faults:
            raise UserError(checked.faults[0])


def check_splits(ready: GeneratedProblem, hparams: DataHparams, most: int | None = THOROUGHLY) -> Iterator[SplitCheck]:
    """Yield the check of every split, which reads `most` records of each (None: all)."""
    for split in sorted({TRAIN, DEV, *ready.manifest.splits}, key=(TRAIN, DEV, *ready.manifest.splits).index):
        yield _check_split(ready, split, hparams, most)


def _check_split(ready: GeneratedProblem, split: str, hparams: DataHparams, most: int | None) -> SplitCheck:
    written = ready.manifest.splits.get(split)
    if written is None:
        return SplitCheck(ready.name, split, 0, 0, {}, 0, (f"The manifest in {ready.folder} names no split {split}.",))
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
                chunk = places[start : start + AT_ONCE]
                for place, record in zip(chunk, reader.read_each(chunk), strict=True):
                    try:
                        fault = _fault_of(record, place, reader, ready.codecs, hparams)
                    except CorruptRecord as error:
                        corrupt.append(error.sentence)
                        faults += [str(error)] if hparams.corrupt_record != SKIP else []
                        continue
                    if fault is not None:
                        faults.append(f"Record {place:,} of {split} of {ready.name} {fault} {_again(ready)}")
                read += len(chunk)
                if len(faults) >= FAULTS:
                    break
        except UserError as error:
            faults.append(str(error))
    return SplitCheck(
        ready.name, split, written.examples, read, written.dropped, too_long, tuple(faults), tuple(corrupt)
    )


def _spread(examples: int, most: int | None) -> list[int]:
    """Return at most `most` places from 0 to `examples` - 1, evenly spaced, including the first and the last."""
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
    """Return the fault of a record as the end of a sentence that begins with its name, or None.

    Raises CorruptRecord.
    """
    if isinstance(record, CorruptRecord):
        raise record
    if set(record) != {"id", *codecs}:
        return f"holds {', '.join(record)}; expected id, {', '.join(codecs)}."
    for (feature, codec), length in zip(codecs.items(), reader.lengths_NF[place].tolist(), strict=True):
        try:
            actual = codec.length(record[feature])
            if actual != length:
                return f"has {feature} of {codec.measured(actual)}; its index says {codec.measured(length)}."
            for stored in codec.references(record[feature]):
                value = codec.load(stored, hparams, None)
                fault = _fault_of_arrays(codec.batch([value], 1, codec.length(stored)), codec, hparams)
                if fault is not None:
                    return f"has {feature} {fault}"
        except Exception as error:  # of any class: a damaged value breaks each reader in its own way
            raise reader.corrupt(place, f"its {feature} can't be read ({error!r:.200})") from error
    return None


def _fault_of_arrays(arrays: Arrays, codec: Codec, hparams: DataHparams) -> str | None:
    """Return how the arrays of one value differ from those that the modality net expects, or None."""
    symbols = codec.port.size
    spec = codec.spec(hparams)
    if set(arrays) != set(spec):
        return f"that make the arrays {', '.join(arrays)}; the model expects {', '.join(spec)}."
    for name, expected in spec.items():
        array = arrays[name]
        fits = len(array.shape) == len(expected.shape) and all(
            wanted in (None, size) for size, wanted in zip(array.shape, expected.shape, strict=True)
        )
        if array.dtype != expected.dtype or not fits:
            return (
                f"that make {name} of {array.dtype}{list(array.shape)}; the model expects "
                f"{expected.dtype}{['any' if side is None else side for side in expected.shape]}."
            )
        if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
            return f"whose {name} are not all finite."
        if symbols and array.dtype == np.int32 and not name.endswith("lengths"):
            outside = array[(array < 0) | (array >= symbols)]
            if outside.size:
                return f"with the {name} {int(outside.flat[0])}; {codec.port.key} has those from 0 to {symbols - 1:,}."
    return None


def _again(ready: GeneratedProblem) -> str:
    return f"Remove {ready.folder} and generate it again."
