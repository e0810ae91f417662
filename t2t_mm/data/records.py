"""Records on disk: shards that are read at random, the lengths of what they hold, and a manifest of the whole.

A record is a msgpack map {"id": str, "<feature>": bytes}. Example i of a split of n shards is record i // n of shard
i % n. Beside each shard stands `<shard>.lengths.npy`, int32[records, features], in the manifest's order of features.
"""

import dataclasses
import json
import shutil
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgpack
import numpy as np

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


@dataclass(frozen=True)
class Split:
    """What was written of a split, and what was not."""

    examples: int
    shards: tuple[Shard, ...]
    tokens: dict[str, int]  # total length by feature
    dropped: dict[str, int]  # examples left out, by reason


@dataclass(frozen=True)
class Manifest:
    """What a problem's folder holds. It is written last: a folder without it is no generated problem."""

    problem: str
    features: tuple[str, ...]
    splits: dict[str, Split]
    fingerprints: dict[str, str]  # sha256 of the vocabularies and lists of classes that the records stand on, by file
    baseline: dict[str, float]  # of dev targets under the unigrams of train: "nats_per_token" and "accuracy"
    seed: int

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


@dataclass
class SplitWriter:
    """Writes one split of a problem into `folder`, record by record, in memory that grows by its lengths only."""

    folder: Path
    split: str
    features: tuple[str, ...]
    shards: int
    dropped: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        from array_record.python import array_record_module

        self._files = [f"{self.split}-{i:05}-of-{self.shards:05}.array_record" for i in range(self.shards)]
        # One record a group: a record is read without its neighbours.
        self._writers = [
            array_record_module.ArrayRecordWriter(str(self.folder / file), "group_size:1") for file in self._files
        ]
        self._lengths = [array("i") for _ in self._files]
        self.examples = 0

    def add(self, id: str, stored: Mapping[str, bytes], lengths: Mapping[str, int]) -> None:
        """Append an example: what its features store, and how long each is."""
        shard = self.examples % self.shards
        if not self._writers[shard].ok():
            raise OSError(f"{self._files[shard]} takes no more records")
        self._writers[shard].write(msgpack.packb({"id": id, **stored}))
        self._lengths[shard].extend(lengths[name] for name in self.features)
        self.examples += 1

    def drop(self, reason: str) -> None:
        """Count an example that is left out."""
        self.dropped[reason] = self.dropped.get(reason, 0) + 1

    def close(self) -> Split:
        """Finish the files and say what they hold. Raises OSError for a file that can't be written whole."""
        shards = []
        tokens = np.zeros(len(self.features), np.int64)
        for file, writer, flat in zip(self._files, self._writers, self._lengths, strict=True):
            try:
                writer.close()
            except RuntimeError as error:  # of the C++ library: most often a full disk
                raise OSError(str(error)) from None
            lengths_NF = np.array(flat, np.int32).reshape(-1, len(self.features))
            np.save(lengths_path(self.folder / file), lengths_NF)
            tokens += lengths_NF.sum(axis=0, dtype=np.int64)
            shards.append(Shard(file, len(lengths_NF), fingerprint(self.folder / file)))
        totals = dict(zip(self.features, tokens.tolist(), strict=True))
        return Split(self.examples, tuple(shards), totals, self.dropped)

    def abandon(self) -> None:
        """Let go of the files after a failure, which is what will be reported."""
        for writer in self._writers:
            try:
                writer.close()
            except RuntimeError:
                continue


class SplitReader:
    """Random access to a split. Threads may share it."""

    def __init__(self, folder: Path, split: Split) -> None:
        """Raises UserError when a file that the manifest names is missing or of another size."""
        from array_record.python import array_record_module

        self._readers = []
        self._paths = [folder / shard.file for shard in split.shards]
        self.lengths_NF = np.zeros((split.examples, len(split.tokens)), np.int32)
        for place, (path, shard) in enumerate(zip(self._paths, split.shards, strict=True)):
            try:
                lengths_NF = np.load(lengths_path(path), allow_pickle=False)
                # Without a buffer to read ahead into, only the records asked for are read.
                reader = array_record_module.ArrayRecordReader(
                    str(path), options="readahead_buffer_size:0", file_reader_buffer_size=2**15
                )
                found = reader.num_records()
            except (OSError, ValueError, RuntimeError) as error:
                raise UserError(f"{path} can't be read ({error}); remove {folder} and generate it again.") from None
            if not found == len(lengths_NF) == shard.examples:
                raise UserError(
                    f"{path} should hold {shard.examples:,} records; found {found:,} and {len(lengths_NF):,} lengths. "
                    f"Remove {folder} and generate it again."
                )
            self._readers.append(reader)
            self.lengths_NF[place :: len(split.shards)] = lengths_NF

    def read(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        """The records of examples `indices`, in that order."""
        shards = len(self._readers)
        records: list[dict[str, Any]] = [{}] * len(indices)
        places: dict[int, list[int]] = {}
        for place, index in enumerate(indices):
            places.setdefault(int(index) % shards, []).append(place)
        for shard, at in places.items():
            try:
                packed = self._readers[shard].read([int(indices[place]) // shards for place in at])
            except RuntimeError as error:  # of the C++ library: a checksum that does not fit
                path = self._paths[shard]
                raise UserError(f"{path} is damaged ({error}); remove {path.parent} and generate it again.") from None
            for place, record in zip(at, packed, strict=True):
                records[place] = msgpack.unpackb(record)
        return records


def lengths_path(shard: Path) -> Path:
    return shard.with_name(f"{shard.name}.lengths.npy")


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


@contextmanager
def complete_or_absent(folder: Path, beside: Path) -> Iterator[Path]:
    """Yield a new folder `beside` to write into, which becomes `folder` if all goes well and disappears if not.

    Raises UserError for what the system refuses: no space, no permission.
    """
    try:
        beside.mkdir(parents=True)
        yield beside
        beside.rename(folder)
    except OSError as error:
        free = shutil.disk_usage(folder.parent).free if folder.parent.exists() else 0
        raise UserError(
            f"{folder} can't be written: {error}. {free / 2**20:,.0f} MiB are free there; nothing of it was kept."
        ) from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)
