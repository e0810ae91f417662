"""Turn records into batches, in threads that run ahead of training. The progress through the data is one integer."""

import logging
import os
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from t2t_mm.data import keyed_rng
from t2t_mm.data.input.batch import Batch
from t2t_mm.data.input.batch_plan import BatchPlan, Bucket
from t2t_mm.data.input.corrupt_records import CorruptRecord, Tolerance
from t2t_mm.data.input.generated_problem import GeneratedProblem
from t2t_mm.data.input.records import SplitReader
from t2t_mm.data.input.row_shard import WHOLE_BATCH, RowShard
from t2t_mm.errors import UnknownName, UserError
from t2t_mm.hparam_set import DataHparams

THREADS = max(2, min(8, os.cpu_count() or 2))  # the number changes the speed, never the batches
AHEAD = 16  # prefetched batches
ENDLESS = 2**62


class Batches:
    """The batches of one split of a problem.

    In training, examples longer than `limits` are left out, each epoch has its own order, images are augmented, one of
    several right answers and one of several windows is drawn at random, and the stream never ends. Otherwise every
    example comes exactly once, with a row for each window of each of its right answers. The order is the same for all
    seeds; it is shuffled too, so that the first few batches are like the rest and no batch holds a single class.

    `only` selects examples by their places in the split; None selects all. `row_shard` is the part of each batch that
    this worker makes, in training.

    `examples` and `tokens` count an epoch's examples and the total length of their targets; `dropped` counts the
    examples that are left out because of their length. Raises UserError if there is no such split or no example is
    left.

    An unreadable record is handled by the hparam `corrupt_record` (corrupt_records.py). With "skip", `corrupt` has a
    sentence for each one that was met so far.
    """

    def __init__(
        self,
        ready: GeneratedProblem,
        split: str,
        hparams: DataHparams,
        seed: int,
        training: bool,
        only: Sequence[int] | None = None,
        row_shard: RowShard = WHOLE_BATCH,
    ) -> None:
        if split not in ready.manifest.splits:
            raise UnknownName(f"split of {ready.name}", split, ready.manifest.splits)
        self.ready, self.split, self.hparams, self.seed, self.training = ready, split, hparams, seed, training
        self.row_shard = row_shard
        self._reader = SplitReader(ready.folder, ready.manifest.splits[split])
        lengths_NF = self._reader.lengths_NF  # full lengths in evaluation: all windows of an example are in one batch
        if training:
            lengths_NF = ready.read_lengths(lengths_NF, hparams)
        longest_F = np.array([codec.longest(hparams) for codec in ready.codecs.values()])
        short_N = (lengths_NF <= longest_F).all(axis=1) if training else np.ones(len(lengths_NF), bool)
        selected_N = short_N if only is None else short_N & np.isin(np.arange(len(lengths_NF)), only)
        kept = np.flatnonzero(selected_N)
        self.limits = " or ".join(
            f"{name} of {codec.measured(codec.longest(hparams))}" for name, codec in ready.codecs.items()
        )
        if not len(kept):
            raise UserError(
                f"No example of {split} of {ready.name} is left: each of {len(lengths_NF):,} is longer than "
                f"{self.limits}. Raise max_length or audio_seconds with --hparams."
            )
        self.examples = len(kept)
        self.tokens = int(lengths_NF[kept, list(ready.codecs).index("targets")].sum())
        self.dropped = int(np.count_nonzero(~short_N))
        self._tolerance = Tolerance(hparams.corrupt_record, len(lengths_NF))
        self.plan = BatchPlan(
            lengths_NF,
            [partial(codec.positions, hparams=hparams) for codec in ready.codecs.values()],
            max(1, int(hparams.batch_size * ready.problem.batch_size_multiplier)),
            hparams.buckets,
            key=(seed, ready.name, split) if training else (ready.name, split),
            kept=kept,
        )

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return len(self.plan)

    def batch(self, position: int) -> Batch:
        """Return the batch at `position`, counted over epochs from 0; always the same one.

        In evaluation, a batch without a readable example has no `ids`, and the arrays of another example.
        """
        epoch, bucket, examples = self.plan.batch(position)
        loaded, corrupt = self._load(examples.tolist(), epoch)
        used = loaded or self._substitute(bucket, epoch)
        rows = bucket.rows if self.training else bucket.rows * -(-len(used) // len(examples))
        rows = max(rows, self.row_shard.count)  # at least one row, maybe empty, for each worker
        arrays = {
            name: codec.batch([row.values[name] for row in used], rows, codec.read_length(length, self.hparams))
            for (name, codec), length in zip(self.ready.codecs.items(), bucket.lengths, strict=True)
        }
        ids = tuple(row.id for row in (used if self.training else loaded))
        full = Batch(self.ready.name, position, ids, arrays, corrupt)
        if self.row_shard == WHOLE_BATCH:
            return full
        rows_here = self.row_shard.slice_of(rows)
        own = {name: {key: array[rows_here] for key, array in of.items()} for name, of in arrays.items()}
        return replace(full, arrays=own, shared_targets=full.targets)

    def stream(self, start: int = 0) -> Generator[Batch, None, None]:
        """Yield the batches from position `start` on: without end in training, to the end of the one epoch otherwise.

        Threads make them ahead of time until the iterator is closed or garbage-collected.
        """
        grain = _grain()
        source = grain.MapDataset.source(_GrainSource(self, start, ENDLESS if self.training else len(self)))
        ahead = iter(source.to_iter_dataset(grain.ReadOptions(num_threads=THREADS, prefetch_buffer_size=AHEAD)))
        try:
            yield from ahead
        finally:
            ahead.close()

    def largest(self) -> Batch:
        """Return a batch of the shape with the most positions. If it fits into memory, all batches do."""
        return self.batch(self.plan.largest())

    @property
    def corrupt(self) -> tuple[str, ...]:
        """A sentence for each record that was left out so far because it is unreadable."""
        return tuple(self._tolerance.corrupt.values())

    def _load(self, examples: list[int], epoch: int) -> tuple[list["_Row"], tuple[str, ...]]:
        """Return the rows of the readable examples, and a sentence for each of the others."""
        rows, corrupt = [], []
        for place, record in zip(examples, self._reader.read_each(examples), strict=True):
            try:
                if isinstance(record, CorruptRecord):
                    raise record
                rows += self._rows(place, record, epoch)
            except CorruptRecord as error:
                self._tolerance.leave_out(place, error)
                corrupt.append(error.sentence)
        return rows, tuple(corrupt)

    def _rows(self, place: int, record: dict[str, Any], epoch: int) -> list["_Row"]:
        """Return the rows of a record: one in training, else one for each window of each right answer.

        Raises CorruptRecord.
        """
        rows = []
        name = "targets"
        try:
            answers = [record[name]] if self.training else self.ready.codecs[name].references(record[name])
            for answer in answers:
                stored = record | {"targets": answer}
                windows = {}
                for name, codec in self.ready.codecs.items():
                    windows[name] = codec.windows(stored[name], self.hparams)
                for window in self._windows(max(map(len, windows.values())), record, epoch):
                    values = {}
                    for name, codec in self.ready.codecs.items():
                        random = self._generator(codec.draws or name, record, epoch)
                        values[name] = codec.load(windows[name][window % len(windows[name])], self.hparams, random)
                    rows.append(_Row(record["id"], values))
        except MemoryError:
            raise
        except Exception as error:  # of any class: a damaged value breaks each reader in its own way
            raise self._reader.corrupt(place, f"its {name} can't be read ({error!r:.200})") from error
        return rows

    def _windows(self, count: int, record: dict[str, Any], epoch: int) -> Sequence[int]:
        """Return the indices of those of a record's `count` windows that become rows."""
        random = self._generator("window", record, epoch) if count > 1 else None
        return range(count) if random is None else [int(random.integers(count))]

    def _substitute(self, bucket: Bucket, epoch: int) -> list["_Row"]:
        """Return the rows of the first readable example of a bucket, to replace a batch without readable examples."""
        for place in bucket.examples.tolist():
            if rows := self._load([place], epoch)[0]:
                return rows
        raise UserError(f"No example of {self.split} of {self.ready.name} of lengths to {bucket.lengths} can be read.")

    def _generator(self, feature: str, record: dict[str, Any], epoch: int) -> np.random.Generator | None:
        return keyed_rng.generator(self.seed, record["id"], feature, epoch) if self.training else None


@dataclass(frozen=True)
class _Row:
    """An example, or one of its right answers, as arrays."""

    id: str
    values: dict[str, np.ndarray]  # by feature


class _GrainSource:
    """The batches from a position on, indexed as Grain reads them."""

    def __init__(self, batches: Batches, start: int, stop: int) -> None:
        self.batches, self.start, self.stop = batches, start, stop

    def __len__(self) -> int:
        return max(0, self.stop - self.start)

    def __getitem__(self, index: int) -> Batch:
        return self.batches.batch(self.start + int(index))


def _grain() -> Any:
    """Import Grain when it is first needed, without its log line about JAX's profiler."""
    absl = logging.getLogger("absl")
    level = absl.level
    absl.setLevel(logging.ERROR)
    try:
        import grain
    finally:
        absl.setLevel(level)
    return grain
