"""Beam search as in Tensor2Tensor, with the length penalty of Wu et al. (arXiv 1609.08144, section 7).

B examples, K beams of each, C = 2 K candidates, T positions, V symbols, D channels. A state has R = B * K rows: row
b * K + k is beam k of example b.
"""

from typing import Any

from keras import ops

from t2t_mm.data.vocabulary import EOS
from t2t_mm.decoding.autoregressive_loop import log_probabilities

ABSENT = -float("inf")  # the log-probability and the score of a beam that does not exist
BLOCK_WIDTH = 64  # numbers in a block of blockwise_top_k


def length_penalty(length: Any, alpha: float) -> Any:
    """Return the divisor of a log-probability, ((5 + length) / 6) ^ alpha. It is 1 at length 1, and 1 for alpha 0.

    `length` is the number of ids, including EOS. Larger alpha favours longer outputs.
    """
    return ((5.0 + ops.cast(length, "float32")) / 6.0) ** alpha


def beam_search(
    net: Any, problem: str, state: Any, x_R1D: Any, limits_B: Any, positions: int, beams: int, alpha: float
) -> tuple[Any, Any]:
    """Search with `beams` unfinished outputs of each example, and return its `beams` best finished ones.

    A step extends each unfinished beam by every id and keeps the 2 K most likely candidates. Candidates that end are
    added to the finished outputs; the K best of the others continue. Finished outputs are ranked by score, which is
    log-probability / length_penalty. An example is done when its worst finished output has a better score than its best
    unfinished one can still reach: its present log-probability over the penalty of the longest output allowed. If an
    example reaches its limit without a finished output, its unfinished beams are returned.

    Args:
        net, state, x_R1D: as in `autoregressive_loop`, for R rows.
        limits_B: int32 in [0, positions], the most ids of an output, including EOS; 0 for a row without an example.
        alpha: at least 0, since the bound above requires a penalty that grows with length.

    Returns:
        ids_BKT, int32: best first; ids up to and including EOS, then PAD. scores_BK, float32, descending; minus
        infinity where an example has fewer than K outputs.

    Of equal scores the output that was finished first wins, and of those the one with lower ids.
    """
    examples = limits_B.shape[0]
    final_penalty_B = length_penalty(limits_B, alpha)

    def any_unfinished(
        t: Any, alive_BKT: Any, log_probs_BK: Any, done_BKT: Any, scores_BK: Any, x_R1D: Any, state: Any
    ) -> Any:
        # Log-probabilities are negative and only fall: over the largest penalty they bound the scores still possible.
        bound_B = ops.max(log_probs_BK, axis=1) / final_penalty_B
        return ops.logical_and(t < positions, ops.any(bound_B > ops.min(scores_BK, axis=1)))

    def extend(t: Any, alive_BKT: Any, log_probs_BK: Any, done_BKT: Any, scores_BK: Any, x_R1D: Any, state: Any) -> Any:
        logits_RV, state = net.step(problem, state, x_R1D)
        symbols = logits_RV.shape[-1]
        longer_BKV = log_probs_BK[:, :, None] + ops.reshape(log_probabilities(logits_RV), (examples, beams, symbols))
        longer_BC, choice_BC = blockwise_top_k(ops.reshape(longer_BKV, (examples, beams * symbols)), 2 * beams)
        parent_BC, id_BC = choice_BC // symbols, choice_BC % symbols
        candidate_BCT = ops.slice_update(_rows_of(alive_BKT, parent_BC), (0, 0, t), id_BC[:, :, None])
        ended_BC = ops.where(id_BC == EOS, longer_BC / length_penalty(t + 1, alpha), ABSENT)

        log_probs_BK, kept_BK = ops.top_k(ops.where(id_BC == EOS, ABSENT, longer_BC), beams)
        alive_BKT = _rows_of(candidate_BCT, kept_BK)
        finished_B = ops.max(ops.concatenate([scores_BK, ended_BC], axis=1), axis=1) > ABSENT
        at_limit_B = t + 1 >= limits_B
        none_finished_B = ops.logical_and(at_limit_B, ops.logical_not(finished_B))
        unfinished_BK = ops.where(none_finished_B[:, None], log_probs_BK / length_penalty(t + 1, alpha), ABSENT)

        # Of equal scores top_k takes the first, so earlier outputs stay.
        ranked_BN = ops.concatenate([scores_BK, ended_BC, unfinished_BK], axis=1)
        scores_BK, best_BK = ops.top_k(ranked_BN, beams)
        done_BKT = _rows_of(ops.concatenate([done_BKT, candidate_BCT, alive_BKT], axis=1), best_BK)
        log_probs_BK = ops.where(at_limit_B[:, None], ABSENT, log_probs_BK)

        parent_BK = ops.take_along_axis(parent_BC, kept_BK, axis=1)
        rows_R = ops.reshape(ops.arange(examples)[:, None] * beams + parent_BK, (-1,))
        last_R1 = ops.reshape(ops.take_along_axis(id_BC, kept_BK, axis=1), (-1, 1))
        x_R1D, state = net.embed(problem, last_R1), net.select(problem, state, rows_R)
        return t + 1, alive_BKT, log_probs_BK, done_BKT, scores_BK, x_R1D, state

    # All beams of an example start equal, so only the first counts in the first step.
    first_BK = ops.logical_and(ops.arange(beams)[None, :] == 0, limits_B[:, None] > 0)
    start = (
        ops.convert_to_tensor(0, "int32"),
        ops.zeros((examples, beams, positions), "int32"),
        ops.where(first_BK, 0.0, ABSENT),
        ops.zeros((examples, beams, positions), "int32"),
        ops.full((examples, beams), ABSENT, "float32"),
        x_R1D,
        state,
    )
    _, _, _, done_BKT, scores_BK, *_ = ops.while_loop(any_unfinished, extend, start)
    return done_BKT, scores_BK


def _rows_of(ids_BNT: Any, rows_BK: Any) -> Any:
    """Return ids_BNT[b, rows_BK[b, k]] for every b and k."""
    return ops.take_along_axis(ids_BNT, ops.cast(rows_BK, "int32")[:, :, None], axis=1)


def blockwise_top_k(x_BN: Any, count: int) -> tuple[Any, Any]:
    """Return the `count` largest numbers of each row of N, descending, and their indices, int32, as `ops.top_k` does.

    Of equal numbers the first comes first. The row is split into G blocks of W; the largest numbers are in the blocks
    with the `count` largest maxima, of equal ones the first. Under XLA on a CPU `ops.top_k` itself sorts all N numbers,
    which takes four times as long for 30,000.
    """
    rows, numbers = x_BN.shape
    blocks = -(-numbers // BLOCK_WIDTH)
    if blocks <= count:
        values_BK, indices_BK = ops.top_k(x_BN, count)
        return values_BK, ops.cast(indices_BK, "int32")
    x_BN = ops.pad(x_BN, [[0, 0], [0, blocks * BLOCK_WIDTH - numbers]], constant_values=-float("inf"))
    x_BGW = ops.reshape(x_BN, (rows, blocks, BLOCK_WIDTH))
    _, blocks_BK = ops.top_k(ops.max(x_BGW, axis=-1), count)
    blocks_BK = ops.sort(ops.cast(blocks_BK, "int32"), axis=-1)  # so that the first of equal numbers comes first again
    candidates_BKW = ops.take_along_axis(x_BGW, blocks_BK[:, :, None], axis=1)
    values_BK, index_BK = ops.top_k(ops.reshape(candidates_BKW, (rows, count * BLOCK_WIDTH)), count)
    index_BK = ops.cast(index_BK, "int32")
    block_BK = ops.take_along_axis(blocks_BK, index_BK // BLOCK_WIDTH, axis=1)
    return values_BK, block_BK * BLOCK_WIDTH + index_BK % BLOCK_WIDTH
