"""Data parallel replicas: copies of a net that compute one training step, each on its own rows of one batch.

A layer that needs a value over the whole batch (a mean, the load of an expert) computes it by an all-reduce.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from keras import ops


@dataclass(frozen=True)
class Replicas:
    """The data parallel replicas, as seen from replica `index` of `count`.

    The batch is the concatenation of the replicas' rows in the order of `index`. `total` is the all-reduce: the sum of
    a tensor over all replicas, which must have the same shape on each. It has a gradient: that of a sum is the sum of
    the gradients. Every replica must call `total` the same number of times in the same order.
    """

    index: int = 0
    count: int = 1
    total: Callable[[Any], Any] = lambda x: x

    def each(self, x: Any) -> Any:
        """Return the `x` of every replica in the order of index, [count, ...] (an all-gather).

        `x` has the same shape on every replica.
        """
        here_R = ops.one_hot(self.index, self.count, dtype=x.dtype)
        return self.total(ops.reshape(here_R, (-1, *(1 for _ in x.shape))) * x[None])


ALONE = Replicas()
