"""Beam search as in Tensor2Tensor, with the length penalty of Wu et al. (arXiv 1609.08144, section 7).

B examples, K beams of each, C = 2 K candidates, T positions, V symbols, D channels. Row b * K + k of the R = B * K rows
of a state is beam k of example b.
"""

from typing import Any

from keras import ops

from t2t_mm.data.vocabulary import EOS
from t2t_mm.decoding.autoregressive_loop import log_probabilities
from t2t_mm.decoding.blockwise_top_k import largest

NEVER = -float("inf")  # the log-probability and the score of a beam that does not exist


def length_penalty(length: Any, alpha: float) -> Any:
    """((5 + length) / 6) ^ alpha, by which a log-probability is divided: 1 at length 1, and everywhere for alpha 0.

    `length` counts ids with the end mark. Larger alpha favours longer outputs.
    """
    return ((5.0 + ops.cast(length, "float32")) / 6.0) ** alpha


def beam_search(
    net: Any, problem: str, state: Any, x_R1D: Any, limits_B: Any, positions: int, beams: int, alpha: float
) -> tuple[Any, Any]:
    """Follow the `beams` best unfinished outputs of each example and keep its `beams` best finished ones.

    A step extends each unfinished beam by every id and keeps the 2 K likeliest: those that end join the finished ones,
    the K best of the others go on. Finished outputs are ranked by score, log-probability / length_penalty; an example
    is done when its worst finished output beats what its best unfinished one could still reach, which is its present
    log-probability over the penalty of the longest output allowed. An example that reaches its limit with nothing
    finished gives its unfinished beams.

    Args:
        net, state, x_R1D: as in `follow`, of R rows.
        limits_B: int32 in [0, positions], ids an output may have, the end mark counted; 0 for a row without an example.
        alpha: at least 0, since the bound above stands on a penalty that grows with length.

    Returns:
        ids_BKT, int32: best first, ids up to and with EOS, PAD behind. scores_BK, float32, falling; minus infinity
        where an example has fewer than K outputs.

    Of equal scores the one found first wins, and of those the one with lower ids.
    """
    examples = limits_B.shape[0]
    final_penalty_B = length_penalty(limits_B, alpha)

    def unfinished(
        t: Any, alive_BKT: Any, log_probs_BK: Any, done_BKT: Any, scores_BK: Any, x_R1D: Any, state: Any
    ) -> Any:
        # Log-probabilities are negative and only fall: over the largest penalty they are the best score still in reach.
        reach_B = ops.max(log_probs_BK, axis=1) / final_penalty_B
        return ops.logical_and(t < positions, ops.any(reach_B > ops.min(scores_BK, axis=1)))

    def extend(t: Any, alive_BKT: Any, log_probs_BK: Any, done_BKT: Any, scores_BK: Any, x_R1D: Any, state: Any) -> Any:
        logits_RV, state = net.step(problem, state, x_R1D)
        symbols = logits_RV.shape[-1]
        longer_BKV = log_probs_BK[:, :, None] + ops.reshape(log_probabilities(logits_RV), (examples, beams, symbols))
        longer_BC, choice_BC = largest(ops.reshape(longer_BKV, (examples, beams * symbols)), 2 * beams)
        parent_BC, id_BC = choice_BC // symbols, choice_BC % symbols
        candidate_BCT = ops.slice_update(_rows_of(alive_BKT, parent_BC), (0, 0, t), id_BC[:, :, None])
        ended_BC = ops.where(id_BC == EOS, longer_BC / length_penalty(t + 1, alpha), NEVER)

        log_probs_BK, kept_BK = ops.top_k(ops.where(id_BC == EOS, NEVER, longer_BC), beams)
        alive_BKT = _rows_of(candidate_BCT, kept_BK)
        finished_B = ops.max(ops.concatenate([scores_BK, ended_BC], axis=1), axis=1) > NEVER
        at_limit_B = t + 1 >= limits_B
        stranded_B = ops.logical_and(at_limit_B, ops.logical_not(finished_B))
        cut_short_BK = ops.where(stranded_B[:, None], log_probs_BK / length_penalty(t + 1, alpha), NEVER)

        # Equal scores: top_k takes the first, so what was found earlier stays.
        ranked_BN = ops.concatenate([scores_BK, ended_BC, cut_short_BK], axis=1)
        scores_BK, best_BK = ops.top_k(ranked_BN, beams)
        done_BKT = _rows_of(ops.concatenate([done_BKT, candidate_BCT, alive_BKT], axis=1), best_BK)
        log_probs_BK = ops.where(at_limit_B[:, None], NEVER, log_probs_BK)

        parent_BK = ops.take_along_axis(parent_BC, kept_BK, axis=1)
        rows_R = ops.reshape(ops.arange(examples)[:, None] * beams + parent_BK, (-1,))
        last_R1 = ops.reshape(ops.take_along_axis(id_BC, kept_BK, axis=1), (-1, 1))
        x_R1D, state = net.embed(problem, last_R1), net.select(problem, state, rows_R)
        return t + 1, alive_BKT, log_probs_BK, done_BKT, scores_BK, x_R1D, state

    # All beams of an example start alike, so only the first counts in the first step.
    first_BK = ops.logical_and(ops.arange(beams)[None, :] == 0, limits_B[:, None] > 0)
    start = (
        ops.convert_to_tensor(0, "int32"),
        ops.zeros((examples, beams, positions), "int32"),
        ops.where(first_BK, 0.0, NEVER),
        ops.zeros((examples, beams, positions), "int32"),
        ops.full((examples, beams), NEVER, "float32"),
        x_R1D,
        state,
    )
    _, _, _, done_BKT, scores_BK, *_ = ops.while_loop(unfinished, extend, start)
    return done_BKT, scores_BK


def _rows_of(ids_BNT: Any, rows_BK: Any) -> Any:
    """ids_BNT[b, rows_BK[b, k]] for every b and k."""
    return ops.take_along_axis(ids_BNT, ops.cast(rows_BK, "int32")[:, :, None], axis=1)
