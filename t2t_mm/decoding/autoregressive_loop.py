"""The autoregressive loop of greedy search and of sampling: each row gets one id per step until all rows have ended.

B rows, T positions, V symbols, D channels.
"""

from collections.abc import Callable
from typing import Any

from keras import ops

from t2t_mm.data.vocabulary import EOS, PAD

Choice = Callable[[Any, Any], tuple[Any, Any]]  # (position, log_probs_BV) to (log-probabilities of the ids, the ids)


def greedy_search(net: Any, problem: str, state: Any, x_B1D: Any, limits_B: Any, positions: int) -> tuple[Any, Any]:
    """Write the most likely next id of each row, of equal ones the lowest, until the row ends.

    Arguments and results are those of `autoregressive_loop`.
    """

    def choose(t: Any, log_probs_BV: Any) -> tuple[Any, Any]:
        return max_and_argmax(log_probs_BV)

    return autoregressive_loop(net, problem, state, x_B1D, limits_B, positions, choose)


def autoregressive_loop(
    net: Any, problem: str, state: Any, x_B1D: Any, limits_B: Any, positions: int, choose: Choice
) -> tuple[Any, Any]:
    """Write the id that `choose` returns for each row until the row ends.

    Args:
        net: a Net; its `step` and `embed` are used.
        state: from `net.start` for B rows and at least `positions` positions.
        x_B1D: the first input vector of decoding (`net.first`).
        limits_B: int32 in [0, positions], the most ids a row may have, including EOS; 0 for a row without an example.
        choose: maps (position int32[], log_probs_BV) to (log-probabilities float32[B], ids int32[B]).

    Returns:
        ids_BT, int32[B, positions]: ids up to and including EOS, or as many as the row's limit; then PAD. PAD is never
        written before the end. log_probs_B, float32: the natural logarithm of the probability of those ids.

    A row's result depends only on its own state, limit and choices. The loop stops when all rows have ended.
    """

    def any_unfinished(t: Any, ids_BT: Any, log_probs_B: Any, ended_B: Any, *_: Any) -> Any:
        return ops.logical_and(t < positions, ops.logical_not(ops.all(ended_B)))

    def write(t: Any, ids_BT: Any, log_probs_B: Any, ended_B: Any, x_B1D: Any, state: Any) -> tuple[Any, ...]:
        logits_BV, state = net.step(problem, state, x_B1D)
        log_prob_B, id_B = choose(t, log_probabilities(logits_BV))
        id_B = ops.where(ended_B, PAD, id_B)
        log_probs_B = log_probs_B + ops.where(ended_B, 0.0, log_prob_B)
        ids_BT = ops.slice_update(ids_BT, (0, t), id_B[:, None])
        ended_B = ops.logical_or(ended_B, ops.logical_or(id_B == EOS, t + 1 >= limits_B))
        return t + 1, ids_BT, log_probs_B, ended_B, net.embed(problem, id_B[:, None]), state

    rows = limits_B.shape[0]
    start = (
        ops.convert_to_tensor(0, "int32"),
        ops.zeros((rows, positions), "int32"),
        ops.zeros((rows,), "float32"),
        limits_B <= 0,
        x_B1D,
        state,
    )
    _, ids_BT, log_probs_B, *_ = ops.while_loop(any_unfinished, write, start)
    return ids_BT, log_probs_B


def log_probabilities(logits_BV: Any) -> Any:
    """Return the log-probabilities of all ids except PAD, float32[B, V]; that of PAD is minus infinity."""
    columns_V = ops.arange(logits_BV.shape[-1])
    logits_BV = ops.cast(logits_BV, "float32")
    return ops.log_softmax(ops.where(columns_V == PAD, -float("inf"), logits_BV), axis=-1)


def max_and_argmax(log_probs_BV: Any) -> tuple[Any, Any]:
    """Return the maximum of each row, float32[B], and the lowest id that has it, int32[B]; V - 1 for a row of NaN.

    These are two plain reductions, because XLA's argmax takes six times as long on a CPU.
    """
    symbols = log_probs_BV.shape[-1]
    best_B = ops.max(log_probs_BV, axis=-1)
    best_ids_BV = ops.where(log_probs_BV == best_B[:, None], ops.arange(symbols, dtype="int32"), symbols - 1)
    return best_B, ops.min(best_ids_BV, axis=-1)
