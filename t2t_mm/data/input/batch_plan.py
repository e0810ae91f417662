"""Which examples make which batch: a function of (seed, problem, split, epoch) and the lengths, in NumPy.

A problem's place in its data is one integer, the position of a batch counted over epochs: every epoch has the same
number of batches, so position // batches is the epoch, and any batch can be found without the ones before it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock

import numpy as np

from t2t_mm.data import keyed_rng

MULTIPLE = 4  # bucket ends are multiples of it, where lengths vary at all
QUANTILES = (*np.linspace(0.05, 0.95, 19), 0.97, 0.985, 0.993, 0.998, 1.0)  # of lengths: ends tried where all are many


@dataclass(frozen=True)
class Bucket:
    """A shape of batch: examples no longer than `lengths` (by feature), `rows` of them at a time."""

    lengths: tuple[int, ...]
    rows: int
    positions: int  # of the body that a row takes, all features together
    examples: np.ndarray  # int[n], those that fit into no bucket before this one, ascending

    @property
    def batches(self) -> int:
        return -(-len(self.examples) // self.rows)


class BatchPlan:
    """The batches of every epoch.

    Args:
        lengths_NF: int[N, F], the lengths of each example's features.
        positions: for each feature, a length to the body positions that it takes.
        batch_size: rows x the longest feature's positions, which a batch does not exceed unless it has one row.
        buckets: shapes of batch at most.
        key: what the order of examples and batches depends on, beside the epoch.
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
        self._lock = Lock()  # one thread plans an epoch, and the others wait for it
        self._shuffled = lru_cache(maxsize=2)(self._shuffle)

    def __len__(self) -> int:
        """Batches in an epoch, the same in every one."""
        return int(self._starts[-1])

    def batch(self, position: int) -> tuple[int, Bucket, np.ndarray]:
        """The epoch, the shape and the examples, int[1 to rows], of the batch at `position`."""
        epoch, index = divmod(position, len(self))
        orders, sequence = self._epoch(epoch)
        slot = int(sequence[index])
        which = int(np.searchsorted(self._starts, slot, side="right")) - 1
        bucket = self.buckets[which]
        first = (slot - int(self._starts[which])) * bucket.rows
        return epoch, bucket, orders[which][first : first + bucket.rows]

    def largest(self) -> int:
        """The position, in epoch 0, of a batch of the shape that takes the most body positions."""
        which = max(range(len(self.buckets)), key=lambda i: self.buckets[i].rows * self.buckets[i].positions)
        _, sequence = self._epoch(0)
        return int(np.flatnonzero(sequence == self._starts[which])[0])

    def _epoch(self, epoch: int) -> tuple[list[np.ndarray], np.ndarray]:
        with self._lock:
            return self._shuffled(epoch)

    def _shuffle(self, epoch: int) -> tuple[list[np.ndarray], np.ndarray]:
        """The examples of each bucket in the order of this epoch, and the order of its batches."""
        random = keyed_rng.generator(*self.key, epoch)
        return [random.permutation(bucket.examples) for bucket in self.buckets], random.permutation(len(self))


def make_buckets(
    lengths_NF: np.ndarray,
    kept: np.ndarray,
    positions: Sequence[Callable[[int], int]],
    batch_size: int,
    buckets: int,
) -> tuple[Bucket, ...]:
    """At most `buckets` shapes, each holding the one before it, that compute the fewest positions in an epoch.

    A chain of k ends that stops at q costs what the best
    chain of k - 1 ends that stops at some p <= q costs, and the batches of the examples between: a dynamic programme.
    The rows that stay empty in each bucket's last batch count too, so few examples get few buckets.
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
    chain = [len(count_P) - 1]  # the point that holds everything
    for before in reversed(came_from[: int(np.argmin([cost_Q[-1] for cost_Q in best]))]):
        chain.insert(0, int(before[chain[0]]))

    bounds_KF = np.stack([feature[place] for feature, place in zip(ends, place_PF[chain].T, strict=True)], axis=1)
    # The first bucket that an example fits into is the last of those that its features ask for.
    bucket_N = np.max([np.searchsorted(b_K, l_N) for b_K, l_N in zip(bounds_KF.T, lengths_NF.T, strict=True)], axis=0)
    return tuple(
        Bucket(tuple(int(end) for end in bounds_KF[k]), int(rows_P[point]), int(sum_P[point]), kept[bucket_N == k])
        for k, point in enumerate(chain)
    )


def _candidates(lengths_N: np.ndarray) -> np.ndarray:
    """Where a bucket may end, ascending: the multiples that lengths round up to, or quantiles if these are many."""
    if lengths_N.min() == lengths_N.max():
        return lengths_N[:1]
    rounded_N = -(-lengths_N // MULTIPLE) * MULTIPLE
    every = np.unique(rounded_N)
    return every if len(every) <= len(QUANTILES) else np.unique(np.quantile(rounded_N, QUANTILES, method="higher"))


def _cumulative_counts(lengths_NF: np.ndarray, ends: Sequence[np.ndarray]) -> np.ndarray:
    """How many examples are no longer than each point of the grid of `ends`; flat, the last feature the fastest."""
    shape = tuple(len(feature) for feature in ends)
    places = tuple(np.searchsorted(feature, lengths_N) for feature, lengths_N in zip(ends, lengths_NF.T, strict=True))
    counts = np.bincount(np.ravel_multi_index(places, shape), minlength=int(np.prod(shape))).reshape(shape)
    for axis in range(len(shape)):
        counts = counts.cumsum(axis=axis)
    return counts.ravel()
