"""Plan batches: a function of (seed, problem, split, epoch) and the lengths of the examples, in NumPy.

The progress of a problem through its data is one integer, the position of a batch counted over epochs. Every epoch has
the same number of batches, so position // batches is the epoch, and any batch can be computed without those before it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock

import numpy as np

from t2t_mm.data import keyed_rng

MULTIPLE = 4  # bucket ends are multiples of it, unless all lengths are equal
QUANTILES = (*np.linspace(0.05, 0.95, 19), 0.97, 0.985, 0.993, 0.998, 1.0)  # of lengths: bucket ends, if there are many


@dataclass(frozen=True)
class Bucket:
    """A batch shape: examples no longer than `lengths` (by feature), `rows` of them in a batch."""

    lengths: tuple[int, ...]
    rows: int
    positions: int  # body positions of a row, summed over features
    examples: np.ndarray  # int[n], ascending: the examples that fit into no earlier bucket

    @property
    def batches(self) -> int:
        return -(-len(self.examples) // self.rows)


class BatchPlan:
    """The batches of every epoch.

    Args:
        lengths_NF: int[N, F], the lengths of each example's features.
        positions: for each feature, a function from a length to the number of body positions.
        batch_size: the budget of a batch: rows x positions of its longest feature. A batch of one row may exceed it.
        buckets: the maximum number of batch shapes.
        key: the key of the random order of examples and batches, besides the epoch.
        kept: int[n], the examples to plan for; None for all.
    """

    def __init__(
        self,
        lengths_NF: np.ndarray,
        positions: Sequence[Callable[[int], int]],
        batch_size: int,
        buckets: int,
        key: tuple[str | int, ...],
        kept: np.ndarray | None = None,
    ) -> None:
        kept = np.arange(len(lengths_NF)) if kept is None else kept
        self.key = key
        self.buckets = make_buckets(lengths_NF, kept, positions, batch_size, buckets)
        self._starts = np.cumsum([0, *(bucket.batches for bucket in self.buckets)])
        self._lock = Lock()  # one thread plans an epoch while the others wait for it
        self._shuffled = lru_cache(maxsize=2)(self._shuffle)

    def __len__(self) -> int:
        """Return the number of batches in an epoch, which is the same in every epoch."""
        return int(self._starts[-1])

    def batch(self, position: int) -> tuple[int, Bucket, np.ndarray]:
        """Return the epoch, the bucket and the examples, int[1 to rows], of the batch at `position`."""
        epoch, index = divmod(position, len(self))
        orders, sequence = self._epoch(epoch)
        slot = int(sequence[index])
        which = int(np.searchsorted(self._starts, slot, side="right")) - 1
        bucket = self.buckets[which]
        first = (slot - int(self._starts[which])) * bucket.rows
        return epoch, bucket, orders[which][first : first + bucket.rows]

    def largest(self) -> int:
        """Return the position, in epoch 0, of a batch of the shape with the most body positions."""
        which = max(range(len(self.buckets)), key=lambda i: self.buckets[i].rows * self.buckets[i].positions)
        _, sequence = self._epoch(0)
        return int(np.flatnonzero(sequence == self._starts[which])[0])

    def _epoch(self, epoch: int) -> tuple[list[np.ndarray], np.ndarray]:
        with self._lock:
            return self._shuffled(epoch)

    def _shuffle(self, epoch: int) -> tuple[list[np.ndarray], np.ndarray]:
        """Return the examples of each bucket in the order of this epoch, and the order of its batches."""
        random = keyed_rng.generator(*self.key, epoch)
        return [random.permutation(bucket.examples) for bucket in self.buckets], random.permutation(len(self))


def make_buckets(
    lengths_NF: np.ndarray,
    kept: np.ndarray,
    positions: Sequence[Callable[[int], int]],
    batch_size: int,
    buckets: int,
) -> tuple[Bucket, ...]:
    """Return at most `buckets` shapes, each containing the one before it, with the fewest positions in an epoch.

    This is a dynamic programme. A chain of k ends that stops at q costs what the best chain of k - 1 ends that stops at
    some p <= q costs, plus the batches of the examples between. Rows that stay empty in the last batch of a bucket are
    counted too, so few examples get few buckets.
    """
    lengths_NF = lengths_NF[kept]
    ends = [_candidates(lengths_N) for lengths_N in lengths_NF.T]
    taken = [np.array([take(int(end)) for end in feature]) for take, feature in zip(positions, ends, strict=True)]
    place_PF = np.stack([axis.ravel() for axis in np.indices([len(feature) for feature in ends])], axis=1)
    taken_PF = np.stack([feature[place] for feature, place in zip(taken, place_PF.T, strict=True)], axis=1)
    rows_P = np.maximum(1, batch_size // taken_PF.max(axis=1))
    sum_P = taken_PF.sum(axis=1)
    cost_P = rows_P * sum_P
    count_P = _cumulative_counts(lengths_NF, ends)

    fits_PQ = (place_PF[:, None] <= place_PF[None]).all(axis=-1)
    batches_PQ = -(-(count_P[None] - count_P[:, None]) // rows_P[None])
    step_PQ = np.where(fits_PQ, batches_PQ * cost_P[None], np.inf)
    best = [-(-count_P // rows_P) * cost_P.astype(float)]
    came_from = []
    for _ in range(1, buckets):
        via_PQ = best[-1][:, None] + step_PQ
        came_from.append(via_PQ.argmin(axis=0))
        best.append(via_PQ.min(axis=0))
    chain = [len(count_P) - 1]  # the end that contains all examples
    for before in reversed(came_from[: int(np.argmin([cost_Q[-1] for cost_Q in best]))]):
        chain.insert(0, int(before[chain[0]]))

    bounds_KF = np.stack([feature[place] for feature, place in zip(ends, place_PF[chain].T, strict=True)], axis=1)
    # The first bucket that an example fits into is the largest of those that its features need.
    bucket_N = np.max([np.searchsorted(b_K, l_N) for b_K, l_N in zip(bounds_KF.T, lengths_NF.T, strict=True)], axis=0)
    return tuple(
        Bucket(tuple(int(end) for end in bounds_KF[k]), int(rows_P[point]), int(sum_P[point]), kept[bucket_N == k])
        for k, point in enumerate(chain)
    )


def _candidates(lengths_N: np.ndarray) -> np.ndarray:
    """Return the possible bucket ends, ascending: the rounded-up lengths, or quantiles of them if there are many."""
    if lengths_N.min() == lengths_N.max():
        return lengths_N[:1]
    rounded_N = -(-lengths_N // MULTIPLE) * MULTIPLE
    every = np.unique(rounded_N)
    return every if len(every) <= len(QUANTILES) else np.unique(np.quantile(rounded_N, QUANTILES, method="higher"))


def _cumulative_counts(lengths_NF: np.ndarray, ends: Sequence[np.ndarray]) -> np.ndarray:
    """Return the number of examples no longer than each point of the grid of `ends`, flat, last feature fastest."""
    shape = tuple(len(feature) for feature in ends)
    places = tuple(np.searchsorted(feature, lengths_N) for feature, lengths_N in zip(ends, lengths_NF.T, strict=True))
    counts = np.bincount(np.ravel_multi_index(places, shape), minlength=int(np.prod(shape))).reshape(shape)
    for axis in range(len(shape)):
        counts = counts.cumsum(axis=axis)
    return counts.ravel()
