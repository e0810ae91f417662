"""A shard: a file of records and the index of their lengths, written atomically, with a note about its content.

A record is a msgpack map {"id": str, "<feature>": bytes}. Beside `<shard>` is `<shard>.lengths.npy`, int32[records,
features], in the manifest's order of features.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import msgpack
import numpy as np

from t2t_mm.fingerprint import fingerprint

INDEX = ".lengths.npy"
COUNTED_AT_ONCE = 256  # examples
# A record is read without its neighbours, so it is compressed alone. Then zstd, ArrayRecord's default, costs four times
# as much as Snappy. It saves 3 to 5 % of ids and small images, nothing of larger images, and a fifth of audio clips.
FORMAT = "group_size:1,snappy"


@dataclass(frozen=True, eq=False)
class ShardSummary:
    """The content of a shard, and the examples that were left out of it."""

    examples: int
    sha256: str
    bytes: int
    tokens: tuple[int, ...]  # total length by feature
    dropped: dict[str, int]  # examples left out, by reason
    symbols_V: np.ndarray  # int64: counts of the symbols of the targets; int64[0] if targets have no symbols

    def write_note(self, path: Path) -> None:
        """Write the note of a finished shard to `path` (atomic write)."""
        beside = _beside(path)
        beside.write_bytes(msgpack.packb({**vars(self), "symbols_V": self.symbols_V.astype("<i8").tobytes()}))
        os.replace(beside, path)

    @classmethod
    def read_note(cls, path: Path) -> "ShardSummary | None":
        """Return the summary in the note at `path`, or None."""
        try:
            fields = msgpack.unpackb(path.read_bytes())
            symbols_V = np.frombuffer(fields["symbols_V"], "<i8")
            return cls(**{**fields, "tokens": tuple(fields["tokens"]), "symbols_V": symbols_V})
        except (OSError, ValueError, TypeError, KeyError):
            return None


@dataclass
class ShardWriter:
    """A writer of one shard, record by record, in bounded memory."""

    path: Path
    features: tuple[str, ...]
    symbols: int  # the number of symbols of the targets
    dropped: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        from array_record.python import array_record_module

        self._beside = _beside(self.path)
        self._records = array_record_module.ArrayRecordWriter(str(self._beside), FORMAT)
        self._pack = msgpack.Packer().pack
        self._index = lengths_path(self._beside).open("wb")
        self._write_header(0)
        self._header = self._index.tell()
        self._tokens_F = np.zeros(len(self.features), np.int64)
        self._symbols_V = np.zeros(self.symbols, np.int64)
        self._lengths: list[int] = []  # of the examples that are not counted yet, flat
        self._symbols: list[np.ndarray] = []  # likewise
        self.examples = 0

    def add(self, id: str, stored: Mapping[str, bytes], lengths: Mapping[str, int], symbols: np.ndarray) -> None:
        """Append an example: its stored features, their lengths, and the symbols of its targets."""
        if not self._records.ok():
            raise OSError(f"{self.path.name} takes no more records")
        self._records.write(self._pack({"id": id, **stored}))
        self._lengths += map(lengths.__getitem__, self.features)
        self._symbols.append(symbols)
        self.examples += 1
        if self.examples % COUNTED_AT_ONCE == 0:
            self._count()

    def _count(self) -> None:
        """Write the lengths of the last examples, and add up their tokens and symbols."""
        if self._symbols:
            lengths_NF = np.array(self._lengths, "<i4").reshape(-1, len(self.features))
            self._index.write(lengths_NF.tobytes())
            self._tokens_F += lengths_NF.sum(0, dtype=np.int64)
            if self.symbols:
                self._symbols_V += np.bincount(np.concatenate(self._symbols), minlength=self.symbols)
            self._lengths.clear()
            self._symbols.clear()

    def drop(self, reason: str) -> None:
        """Count an example that is left out, by reason."""
        self.dropped[reason] = self.dropped.get(reason, 0) + 1

    def close(self) -> ShardSummary:
        """Finish the shard and return its summary. Raises OSError if a file cannot be written completely."""
        self._count()
        try:
            self._records.close()
        except RuntimeError as error:  # of the C++ library: most often a full disk
            self._index.close()
            raise OSError(str(error)) from None
        self._index.seek(0)
        self._write_header(self.examples)
        if self._index.tell() != self._header:
            raise ValueError(f"NumPy's header of {self.examples:,} rows has another length than that of 0 rows.")
        self._index.flush()
        os.fsync(self._index.fileno())
        self._index.close()
        with self._beside.open("rb") as file:
            os.fsync(file.fileno())
        sha256, size = fingerprint(self._beside), self._beside.stat().st_size
        os.replace(lengths_path(self._beside), lengths_path(self.path))
        os.replace(self._beside, self.path)
        return ShardSummary(self.examples, sha256, size, tuple(self._tokens_F.tolist()), self.dropped, self._symbols_V)

    def abandon(self) -> None:
        """Close the files after a failure, without raising another error."""
        self._index.close()
        try:
            self._records.close()
        except RuntimeError:
            return

    def _write_header(self, rows: int) -> None:
        shape = {"descr": "<i4", "fortran_order": False, "shape": (rows, len(self.features))}
        np.lib.format.write_array_header_1_0(self._index, shape)


def shard_name(split: str, shard: int, of: int) -> str:
    return f"{split}-{shard:05}-of-{of:05}.array_record"


def lengths_path(shard: Path) -> Path:
    return shard.with_name(shard.name + INDEX)


def _beside(path: Path) -> Path:
    """Return a temporary path beside `path`, with a name that no other process on any machine has."""
    return path.with_name(f".{path.name}.{uuid4().hex}")


def shard_range(shard: int, of: int, examples: int) -> range:
    """Return the places in the source of the examples of `shard`. Shards differ in size by at most one example."""
    return range(shard * examples // of, (shard + 1) * examples // of)
