"""The copies of a net that compute one training step together, each on rows of its own of one batch.

What a layer says of the whole batch (a mean over it, the load of an expert) it must ask of all of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from keras import ops


@dataclass(frozen=True)
class Replicas:
    """All replicas as one of them sees them. Their rows, put one behind the other by `index`, make the batch.

    `total` gives the sum over all replicas of a tensor that has the same shape everywhere, with its gradient: that of
    a sum is the sum of the gradients. Every replica must ask for the same totals in the same order.
    """

    index: int = 0
    count: int = 1
    total: Callable[[Any], Any] = lambda x: x

    def each(self, x: Any) -> Any:
        """`x` of every replica by index, [count, ...]; it has the same shape everywhere."""
        here_R = ops.one_hot(self.index, self.count, dtype=x.dtype)
        return self.total(ops.reshape(here_R, (-1, *(1 for _ in x.shape))) * x[None])


ALONE = Replicas()
