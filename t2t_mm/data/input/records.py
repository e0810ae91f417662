"""Records on disk: shards (`shards.py`) that are read at random, and a manifest of the whole."""

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
    """One file of records."""

    file: str
    examples: int
    sha256: str
    bytes: int = 0  # 0 in manifests that do not say

    def check(self, folder: Path) -> None:
        """Raises UserError when the file in `folder` is missing or of another size."""
        path = folder / self.file
        again = f"Bring it back, or remove {folder} and generate it again."
        noted = f"{self.bytes:,} bytes, " if self.bytes else ""
        try:
            found = path.stat().st_size
        except OSError as error:
            raise UserError(
                f"{path} can't be read: {error.strerror}. The manifest has it, with {noted}{self.examples:,} records "
                f"and checksum {self.sha256[:12]}. {again}"
            ) from None
        if self.bytes and found != self.bytes:
            raise UserError(
                f"{path} is not what was written: {self.bytes:,} bytes in the manifest, {found:,} now. {again}"
            )


@dataclass(frozen=True)
class Split:
    """What was written of a split, and what was not."""

    examples: int
    shards: tuple[Shard, ...]
    tokens: dict[str, int]  # total length by feature
    dropped: dict[str, int]  # examples left out, by reason

    @property
    def fingerprint(self) -> str:
        """A sha256 of what its files hold, as the manifest has it."""
        files = json.dumps([[shard.file, shard.examples, shard.sha256] for shard in self.shards])
        return hashlib.sha256(files.encode()).hexdigest()


@dataclass(frozen=True)
class Manifest:
    """What a problem's folder holds. It is written last: a folder without it is no generated problem."""

    problem: str
    features: tuple[str, ...]
    splits: dict[str, Split]
    fingerprints: dict[str, str]  # sha256 of the vocabularies and lists of classes that the records stand on, by file
    baseline: dict[str, float]  # of dev targets under the unigrams of train: "nats_per_token" and "accuracy"
    seed: int
    max_cases: int = 0  # of each split that were taken at most; 0: all that the source has

    def write(self, folder: Path) -> None:
        (folder / MANIFEST).write_text(json.dumps(dataclasses.asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """Raises UserError when the folder has no manifest or one of another form."""
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
    """Random access to a split: its examples are those of the first shard, then those of the second, and so on.

    Threads may share it.
    """

    def __init__(self, folder: Path, split: Split) -> None:
        """Raises UserError when a file that the manifest names is missing or of another size."""
        from array_record.python import array_record_module

        self._readers = []
        self._paths = [folder / shard.file for shard in split.shards]
        self._ends = np.cumsum([shard.examples for shard in split.shards])
        self.lengths_NF = np.zeros((split.examples, len(split.tokens)), np.int32)
        for path, shard, end in zip(self._paths, split.shards, self._ends.tolist(), strict=True):
            shard.check(folder)
            try:
                lengths_NF = np.load(lengths_path(path), allow_pickle=False)
                # Without a buffer to read ahead into, only the records asked for are read.
                reader = array_record_module.ArrayRecordReader(
                    str(path), options="readahead_buffer_size:0", file_reader_buffer_size=2**15
                )
                if not reader.ok():
                    reader.read([0])  # which says why
                found = reader.num_records()
            except (OSError, ValueError, RuntimeError) as error:
                raise UserError(f"{path} can't be read ({error}); remove {folder} and generate it again.") from None
            if not found == len(lengths_NF) == shard.examples:
                raise UserError(
                    f"{path} should hold {shard.examples:,} records; found {found:,} and {len(lengths_NF):,} lengths. "
                    f"Remove {folder} and generate it again."
                )
            self._readers.append(reader)
            self.lengths_NF[end - found : end] = lengths_NF

    def read(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        """The records of examples `indices`, in that order. Raises CorruptRecord for the first that can't be read."""
        return [_sound(record) for record in self.read_each(indices)]

    def read_each(self, indices: Sequence[int]) -> list[dict[str, Any] | CorruptRecord]:
        """The same, with the reason in the place of a record that can't be read."""
        records: list[dict[str, Any] | CorruptRecord] = [{}] * len(indices)
        places: dict[int, list[int]] = {}
        shard_of = np.searchsorted(self._ends, np.asarray(indices, np.int64), side="right").tolist()
        for place, shard in enumerate(shard_of):
            places.setdefault(shard, []).append(place)
        for shard, at in places.items():
            start = int(self._ends[shard]) - self._readers[shard].num_records()
            numbers = [int(indices[place]) - start for place in at]
            try:
                found = [msgpack.unpackb(record) for record in self._readers[shard].read(numbers)]
            except (RuntimeError, ValueError):  # the file's checksums are of records, so each is asked for by itself
                found = [self._read_one(shard, number) for number in numbers]
            for place, record in zip(at, found, strict=True):
                records[place] = record
        return records

    def corrupt(self, index: int, reason: str) -> CorruptRecord:
        """Why example `index` can't be used, with the place where it lies."""
        shard = int(np.searchsorted(self._ends, index, side="right"))
        examples = self._readers[shard].num_records()
        return CorruptRecord(self._paths[shard], index - int(self._ends[shard]) + examples, examples, reason)

    def _read_one(self, shard: int, number: int) -> dict[str, Any] | CorruptRecord:
        try:
            (packed,) = self._readers[shard].read([number])
            return msgpack.unpackb(packed)
        except (RuntimeError, ValueError) as error:  # of the C++ library: a checksum that does not fit
            return CorruptRecord(self._paths[shard], number, self._readers[shard].num_records(), str(error))


def _sound(record: dict[str, Any] | CorruptRecord) -> dict[str, Any]:
    if isinstance(record, CorruptRecord):
        raise record
    return record


def verify(folder: Path, manifest: Manifest) -> int:
    """Compare every shard with its checksum in the manifest, and give how many there are.

    Raises UserError naming the first shard that is missing or holds something else.
    """
    shards = [shard for split in manifest.splits.values() for shard in split.shards]
    for shard in shards:
        path = folder / shard.file
        shard.check(folder)
        found = fingerprint(path)
        if found != shard.sha256:
            raise UserError(
                f"{path} is not what was written: checksum {shard.sha256[:12]} in the manifest, {found[:12]} now. "
                f"Remove {folder} and generate it again."
            )
    return len(shards)


def check_fingerprints(manifest: Manifest, problem: type[Problem], data_dir: Path) -> None:
    """Raises UserError when a vocabulary or list of classes is missing or is not that which the records stand on."""
    for file in files_of(problem):
        path = data_dir / file
        if not path.exists():
            raise UserError(f"{data_dir / manifest.problem} stands on {path}, which is not there.")
        then, now = manifest.fingerprints.get(file, "another file"), fingerprint(path)
        if then != now:
            raise UserError(
                f"{data_dir / manifest.problem} was not generated with this {path}: fingerprint {then[:12]} then, "
                f"{now[:12]} now. Remove {data_dir / manifest.problem} and generate it again, or bring the file back."
            )


def files_of(problem: type[Problem]) -> list[str]:
    """The vocabularies and lists of classes that a problem stands on."""
    return sorted({file for feature in problem.features().values() for file in feature.files()})
