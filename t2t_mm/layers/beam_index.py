"""Beam reordering by an index table instead of copying caches.

In beam search a beam often continues the history of another beam. To copy the caches of that beam at every step would
take longer than the step itself. Instead an index table says in which row each beam's history is stored, and a step
reads the caches through the table.

B examples, J beams of each, R = B * J rows: row b * J + j is beam j of example b. T positions; K of them are requested.
paths_TBJ[t, b, j] is the beam of example b whose row holds the cache entry of beam j at position t.
"""

from typing import Any

from keras import ops


def identity_paths(examples: Any, beams: int, positions: int) -> Any:
    """Return the initial table, int32[T, B, J]: each beam's history is stored in its own row."""
    return ops.broadcast_to(ops.arange(beams, dtype="int32"), (positions, examples, beams))


def reorder_paths(paths_TBJ: Any, rows_R: Any, position: Any) -> Any:
    """Return the table after row r continues the history of row rows_R[r], of the same example, before `position`."""
    positions, beams = paths_TBJ.shape[0], paths_TBJ.shape[2]
    reordered_TR = ops.take(ops.reshape(paths_TBJ, (positions, -1)), rows_R, axis=1)
    past_T11 = (ops.arange(positions) < position)[:, None, None]
    return ops.where(past_T11, ops.reshape(reordered_TR, ops.shape(paths_TBJ)), ops.arange(beams, dtype="int32"))


def rows_at(paths_TBJ: Any, positions_K: Any) -> Any:
    """Return int32[K, R]: for each row and each of these positions, the row of the cache that holds its entry."""
    paths_KBJ = ops.take(paths_TBJ, positions_K, axis=0)
    first_B1 = ops.arange(ops.shape(paths_KBJ)[1], dtype="int32")[:, None] * paths_KBJ.shape[2]
    return ops.reshape(paths_KBJ + first_B1, (ops.shape(positions_K)[0], -1))


def visible(paths_TBJ: Any, position: Any) -> Any:
    """Return the attention mask of the beams, bool[B, 1, J, T * J].

    Entry (b, 0, j, t * J + i) is True if the cache entry that beam i wrote at position t is in the history of beam j.
    """
    positions, _, beams = paths_TBJ.shape
    paths_BJT1 = ops.transpose(paths_TBJ, (1, 2, 0))[..., None]
    past_T1 = (ops.arange(positions) <= position)[:, None]
    visible_BJTJ = ops.logical_and(paths_BJT1 == ops.arange(beams, dtype="int32"), past_T1)
    return ops.reshape(visible_BJTJ, (-1, 1, beams, positions * beams))
