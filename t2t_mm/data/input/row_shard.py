"""The part of each batch that one of several workers makes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RowShard:
    """The rows of worker `index`, from 0, of `count` workers; put one behind the other they are the batch."""

    index: int = 0
    count: int = 1

    def of(self, rows: int) -> slice:
        """Which of so many rows: as many as any other worker's, or one less."""
        each, over = divmod(rows, self.count)
        first = self.index * each + min(self.index, over)
        return slice(first, first + each + (self.index < over))


WHOLE_BATCH = RowShard()
