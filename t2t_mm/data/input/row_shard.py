"""The rows of a batch that one of several workers computes (data parallel)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RowShard:
    """The rows of a batch that one worker computes (data parallel): worker `index` of `count` workers, counted from 0.

    The shards of all workers, one after the other, are the batch.
    """

    index: int = 0
    count: int = 1

    def slice_of(self, rows: int) -> slice:
        """Return the slice of a batch of `rows` rows. The workers' shares differ by at most one row."""
        each, remainder = divmod(rows, self.count)
        first = self.index * each + min(self.index, remainder)
        return slice(first, first + each + (self.index < remainder))


WHOLE_BATCH = RowShard()
