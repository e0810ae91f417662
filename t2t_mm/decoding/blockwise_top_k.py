"""The largest numbers of long rows. B rows of N numbers, in G groups of W; K of them are wanted."""

from typing import Any

from keras import ops

WIDTH = 64  # of a group


def largest(x_BN: Any, count: int) -> tuple[Any, Any]:
    """As `ops.top_k`: the `count` largest of each row, falling, and where they are, int32; of equal ones the first.

    They are in the groups with the `count` largest maxima, of equal ones the first. `ops.top_k` itself sorts all N
    under XLA on a CPU, which takes four times as long for 30,000.
    """
    rows, numbers = x_BN.shape
    groups = -(-numbers // WIDTH)
    if groups <= count:
        values_BK, places_BK = ops.top_k(x_BN, count)
        return values_BK, ops.cast(places_BK, "int32")
    x_BN = ops.pad(x_BN, [[0, 0], [0, groups * WIDTH - numbers]], constant_values=-float("inf"))
    x_BGW = ops.reshape(x_BN, (rows, groups, WIDTH))
    _, groups_BK = ops.top_k(ops.max(x_BGW, axis=-1), count)
    groups_BK = ops.sort(ops.cast(groups_BK, "int32"), axis=-1)  # so that the first of equal ones stands first again
    chosen_BKW = ops.take_along_axis(x_BGW, groups_BK[:, :, None], axis=1)
    values_BK, index_BK = ops.top_k(ops.reshape(chosen_BKW, (rows, count * WIDTH)), count)
    index_BK = ops.cast(index_BK, "int32")
    return values_BK, ops.take_along_axis(groups_BK, index_BK // WIDTH, axis=1) * WIDTH + index_BK % WIDTH
