"""Records on disk: shards (`shards.py`) with random access, and a manifest of all of them."""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack
import numpy as np

from t2t_mm.data.input.corrupt_records import CorruptRecord
from t2t_mm.data.input.shards import lengths_path
from t2t_mm.errors import UserError
from t2t_mm.fingerprint import fingerprint
from t2t_mm.problem import Problem

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Shard:
    """One file of records, as the manifest lists it."""

    file: str
    examples: int
    sha256: str
    bytes: int = 0  # 0 in manifests without it

    def check(self, folder: Path) -> None:
        """Raise UserError if the file in `folder` is missing or has another size."""
        path = folder / self.file
        remedy = f"Restore it, or remove {folder} and generate it again."
        noted = f"{self.bytes:,} bytes, " if self.bytes else ""
        try:
            size = path.stat().st_size
        except OSError as error:
            raise UserError(
                f"{path} can't be read: {error.strerror}. The manifest lists it, with {noted}{self.examples:,} records "
                f"and checksum {self.sha256[:12]}. {remedy}"
            ) from None
        if self.bytes and size != self.bytes:
            raise UserError(
                f"{path} is not what was written: {self.bytes:,} bytes in the manifest, {size:,} now. {remedy}"
            )


@dataclass(frozen=True)
class Split:
    """The content of a split, and the examples that were left out."""

    examples: int
    shards: tuple[Shard, ...]
    tokens: dict[str, int]  # total length by feature
    dropped: dict[str, int]  # examples left out, by reason

    @property
    def fingerprint(self) -> str:
        """A sha256 of the split's content, from the checksums in the manifest."""
        files = json.dumps([[shard.file, shard.examples, shard.sha256] for shard in self.shards])
        return hashlib.sha256(files.encode()).hexdigest()


@dataclass(frozen=True)
class Manifest:
    """The description of a problem's folder. It is written last, so a folder without it holds no generated problem."""

    problem: str
    features: tuple[str, ...]
    splits: dict[str, Split]
    fingerprints: dict[str, str]  # sha256 of the vocabularies and lists of classes of the records, by file
    baseline: dict[str, float]  # of dev targets under the unigrams of train: "nats_per_token" and "accuracy"
    seed: int
    max_cases: int = 0  # the maximum number of examples taken of each split; 0: all of the source

    def write(self, folder: Path) -> None:
        (folder / MANIFEST).write_text(json.dumps(dataclasses.asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """Return the manifest of `folder`. Raises UserError if there is none or it is damaged."""
        path = folder / MANIFEST
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
            splits = {
                name: Split(**{**split, "shards": tuple(Shard(**shard) for shard in split["shards"])})
                for name, split in fields["splits"].items()
            }
            return cls(**{**fields, "splits": splits, "features": tuple(fields["features"])})
        except FileNotFoundError:
            raise UserError(f"There is no generated data in {folder}; t2t-mm-datagen makes it.") from None
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path} is damaged ({error!r}); remove {folder} and generate the data again.") from None


class SplitReader:
    """Random access to the examples of a split: those of the first shard, then those of the second, and so on.

    Threads may share it.
    """

    def __init__(self, folder: Path, split: Split) -> None:
        """Open all shards. Raises UserError if a file of the manifest is missing or has another size."""
        from array_record.python import array_record_module

        self._readers = []
        self._paths = [folder / shard.file for shard in split.shards]
        self._ends = np.cumsum([shard.examples for shard in split.shards])
        self.lengths_NF = np.zeros((split.examples, len(split.tokens)), np.int32)
        for path, shard, end in zip(self._paths, split.shards, self._ends.tolist(), strict=True):
            shard.check(folder)
            try:
                lengths_NF = np.load(lengths_path(path), allow_pickle=False)
                # Without a read-ahead buffer, only the requested records are read.
                reader = array_record_module.ArrayRecordReader(
                    str(path), options="readahead_buffer_size:0", file_reader_buffer_size=2**15
                )
                if not reader.ok():
                    reader.read([0])  # raises the reason
                records = reader.num_records()
            except (OSError, ValueError, RuntimeError) as error:
                raise UserError(f"{path} can't be read ({error}); remove {folder} and generate it again.") from None
            if not records == len(lengths_NF) == shard.examples:
                raise UserError(
                    f"{path} should hold {shard.examples:,} records; found {records:,} and {len(lengths_NF):,} "
                    f"lengths. Remove {folder} and generate it again."
                )
            self._readers.append(reader)
            self.lengths_NF[end - records : end] = lengths_NF

    def read(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        """Return the records of examples `indices`, in that order.

        Raises CorruptRecord for the first unreadable one.
        """
        return [_raise_if_corrupt(record) for record in self.read_each(indices)]

    def read_each(self, indices: Sequence[int]) -> list[dict[str, Any] | CorruptRecord]:
        """Return the records of examples `indices`, with a CorruptRecord in the place of an unreadable one."""
        records: list[dict[str, Any] | CorruptRecord] = [{}] * len(indices)
        places: dict[int, list[int]] = {}
        shard_of = np.searchsorted(self._ends, np.asarray(indices, np.int64), side="right").tolist()
        for place, shard in enumerate(shard_of):
            places.setdefault(shard, []).append(place)
        for shard, at in places.items():
            start = int(self._ends[shard]) - self._readers[shard].num_records()
            numbers = [int(indices[place]) - start for place in at]
            try:
                unpacked = [msgpack.unpackb(record) for record in self._readers[shard].read(numbers)]
            except (RuntimeError, ValueError):  # the file has a checksum for each record, so each is read separately
                unpacked = [self._read_one(shard, number) for number in numbers]
            for place, record in zip(at, unpacked, strict=True):
                records[place] = record
        return records

    def corrupt(self, index: int, reason: str) -> CorruptRecord:
        """Return the CorruptRecord of example `index`, with its file and place."""
        shard = int(np.searchsorted(self._ends, index, side="right"))
        examples = self._readers[shard].num_records()
        return CorruptRecord(self._paths[shard], index - int(self._ends[shard]) + examples, examples, reason)

    def _read_one(self, shard: int, number: int) -> dict[str, Any] | CorruptRecord:
        try:
            (packed,) = self._readers[shard].read([number])
            return msgpack.unpackb(packed)
        except (RuntimeError, ValueError) as error:  # of the C++ library: a wrong checksum
            return CorruptRecord(self._paths[shard], number, self._readers[shard].num_records(), str(error))


def _raise_if_corrupt(record: dict[str, Any] | CorruptRecord) -> dict[str, Any]:
    if isinstance(record, CorruptRecord):
        raise record
    return record


def verify(folder: Path, manifest: Manifest) -> int:
    """Compare every shard with its checksum in the manifest, and return the number of shards.

    Raises UserError naming the first shard that is missing or has changed.
    """
    shards = [shard for split in manifest.splits.values() for shard in split.shards]
    for shard in shards:
        path = folder / shard.file
        shard.check(folder)
        sha256 = fingerprint(path)
        if sha256 != shard.sha256:
            raise UserError(
                f"{path} is not what was written: checksum {shard.sha256[:12]} in the manifest, {sha256[:12]} now. "
                f"Remove {folder} and generate it again."
            )
    return len(shards)


def check_fingerprints(manifest: Manifest, problem: type[Problem], data_dir: Path) -> None:
    """Raise UserError if a vocabulary or list of classes is missing or not the one the records were made with."""
    for file in files_of(problem):
        path = data_dir / file
        if not path.exists():
            raise UserError(
                f"{data_dir / manifest.problem} needs {path}, which does not exist. Restore it, or remove "
                f"{data_dir / manifest.problem} and generate it again."
            )
        then, now = manifest.fingerprints.get(file, "another file"), fingerprint(path)
        if then != now:
            raise UserError(
                f"{data_dir / manifest.problem} was not generated with this {path}: fingerprint {then[:12]} then, "
                f"{now[:12]} now. Remove {data_dir / manifest.problem} and generate it again, or restore the file."
            )


def files_of(problem: type[Problem]) -> list[str]:
    """Return the names of the vocabularies and lists of classes that a problem needs."""
    return sorted({file for feature in problem.features().values() for file in feature.files()})
