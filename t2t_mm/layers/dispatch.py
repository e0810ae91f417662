"""Dispatch of tokens to the experts of a mixture of experts and back, by gathers only, forward and backward.

N tokens, each routed to k of E experts; the expert capacity is C slots. The usual gradient of a gather is a
scatter-add, which costs as much as the matrix products of the experts, and seconds of compilation under XLA. But
dispatch is a partial permutation, so its gradient is a gather by the inverse table.
"""

from dataclasses import dataclass
from typing import Any

from keras import ops


@dataclass(frozen=True)
class Routes:
    """The slot of each (token, choice) pair, and the pair in each slot."""

    slot_Nk: Any  # int32: the slot of a pair; E * C if it has none
    pair_S: Any  # int32: the pair n * k + j in slot e * C + c; N * k if the slot is empty


def route(expert_Nk: Any, experts: int, capacity: Any, most_E: Any = None) -> Routes:
    """Assign (token, choice) pairs to the slots of their experts, in the order of the tokens.

    Pairs beyond the expert capacity get no slot.

    Args:
        expert_Nk: int32, the chosen experts; E for a token that is routed nowhere (padding).
        experts: E.
        capacity: C, the slots of each expert.
        most_E: int32, the slots that each expert may fill; all C if None.
    """
    pairs = ops.size(expert_Nk)
    expert_M = ops.reshape(expert_Nk, (-1,))
    order_M = ops.cast(ops.argsort(expert_M), "int32")  # stable: earlier tokens first
    sorted_M = ops.take(expert_M, order_M)
    start_E = ops.cast(ops.searchsorted(sorted_M, ops.arange(experts + 1, dtype="int32")), "int32")
    rank_M = ops.arange(pairs, dtype="int32") - ops.take(start_E, sorted_M)
    assigned_M = ops.logical_and(rank_M < capacity, sorted_M < experts)
    if most_E is not None:
        assigned_M = ops.logical_and(assigned_M, rank_M < ops.take(most_E, ops.minimum(sorted_M, experts - 1)))
    slot_sorted_M = ops.where(assigned_M, sorted_M * capacity + rank_M, experts * capacity)
    slot_M = ops.take(slot_sorted_M, ops.argsort(order_M))
    index_EC = start_E[:experts, None] + ops.arange(capacity, dtype="int32")[None, :]
    filled_EC = index_EC < start_E[1:, None]
    if most_E is not None:
        filled_EC = ops.logical_and(filled_EC, ops.arange(capacity, dtype="int32")[None, :] < most_E[:, None])
    pair_EC = ops.where(filled_EC, ops.take(order_M, ops.minimum(index_EC, pairs - 1)), pairs)
    return Routes(ops.reshape(slot_M, ops.shape(expert_Nk)), ops.reshape(pair_EC, (-1,)))


def to_experts(x_ND: Any, routes: Routes, choices: int) -> Any:
    """Gather the token of each slot: float[N, D] to float[S, D], S = E * C. An empty slot holds zeros."""
    return _gather(x_ND, routes.pair_S // choices, routes.slot_Nk)


def from_experts(y_SD: Any, routes: Routes) -> Any:
    """Gather the expert output of each choice: float[S, D] to float[N, k, D]. A pair without a slot gets zeros."""
    shape = ops.shape(routes.slot_Nk)
    y_MD = _gather(y_SD, ops.reshape(routes.slot_Nk, (-1,)), routes.pair_S[:, None])
    return ops.reshape(y_MD, (shape[0], shape[1], y_SD.shape[-1]))


def _gather(x_ND: Any, index_M: Any, inverse_NJ: Any) -> Any:
    """Return x_ND[index_M] with a zero row for index N.

    `inverse_NJ` holds, for each row of `x_ND`, the rows of the result that were read from it.
    """

    @ops.custom_gradient
    def gather(x: Any) -> Any:
        def gradient(*args: Any, upstream: Any = None) -> Any:
            g = args[0] if upstream is None else upstream
            return ops.sum(ops.take(_with_zero_row(g), inverse_NJ, axis=0), axis=1)

        return ops.take(_with_zero_row(x), index_M, axis=0), gradient

    return gather(x_ND)


def _with_zero_row(x_ND: Any) -> Any:
    return ops.pad(x_ND, [[0, 1], [0, 0]])
