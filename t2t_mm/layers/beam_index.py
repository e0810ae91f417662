"""Beams that take over each other's pasts, while what they wrote stays where it is.

A beam that goes on from another's past would have all its caches copied at every step, which takes longer than the
step itself. Instead a table says where each beam's past stands, and a step reads the caches through it.

B examples, J beams of each, R = B * J rows: row b * J + j is beam j of example b. T positions, K of them asked for.
paths_TBJ[t, b, j] is the beam of example b whose row holds what beam j has at position t.
"""

from typing import Any

from keras import ops


def straight_paths(examples: Any, beams: int, positions: int) -> Any:
    """int32[T, B, J] of beams that have gone their own ways."""
    return ops.broadcast_to(ops.arange(beams, dtype="int32"), (positions, examples, beams))


def switch_paths(paths_TBJ: Any, rows_R: Any, position: Any) -> Any:
    """The table once row r has taken over the past of row rows_R[r], of the same example, before `position`."""
    positions, beams = paths_TBJ.shape[0], paths_TBJ.shape[2]
    taken_TR = ops.take(ops.reshape(paths_TBJ, (positions, -1)), rows_R, axis=1)
    past_T11 = (ops.arange(positions) < position)[:, None, None]
    return ops.where(past_T11, ops.reshape(taken_TR, ops.shape(paths_TBJ)), ops.arange(beams, dtype="int32"))


def rows_at(paths_TBJ: Any, positions_K: Any) -> Any:
    """int32[K, R]: in which row each row's value at these positions stands."""
    paths_KBJ = ops.take(paths_TBJ, positions_K, axis=0)
    first_B1 = ops.arange(ops.shape(paths_KBJ)[1], dtype="int32")[:, None] * paths_KBJ.shape[2]
    return ops.reshape(paths_KBJ + first_B1, (ops.shape(positions_K)[0], -1))


def visible(paths_TBJ: Any, position: Any) -> Any:
    """bool[B, 1, J, T * J]: whether what beam i wrote at position t, at t * J + i, is in the past of beam j."""
    positions, _, beams = paths_TBJ.shape
    paths_BJT1 = ops.transpose(paths_TBJ, (1, 2, 0))[..., None]
    past_T1 = (ops.arange(positions) <= position)[:, None]
    visible_BJTJ = ops.logical_and(paths_BJT1 == ops.arange(beams, dtype="int32"), past_T1)
    return ops.reshape(visible_BJTJ, (-1, 1, beams, positions * beams))
