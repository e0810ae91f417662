"""Connectionist temporal classification (CTC, Graves et al. 2006): the probability of a label sequence given frames.

Each of F frames emits one of V ids or the blank. The blank has the id of padding, since no label sequence contains it.
An alignment spreads a sequence over the frames; an id that is repeated without a blank between counts once. The
probability of a sequence is the sum over all its alignments. No frame emits END: a sequence ends with the last frame.

The sum over all alignments is computed prefix by prefix. Let b(f) and n(f) be the probabilities that the first f frames
emit exactly the prefix and end on a blank, or on its last id (section 4.1 of the paper), and p_f those of frame f:

    n'(f + 1) = (n'(f) + b(f) + n(f)) p_f(id)        for the prefix extended by `id`; without n(f) if `id` repeats
    b(f + 1)  = (b(f) + n(f)) p_f(blank)
    P(prefix, then id, then anything) = sum over f of (b(f) + n(f)) p_f(id);  P(prefix, then the end) = b(F) + n(F)

This gives a distribution over the next id, or the end, conditioned on the ids before it. So CTC is decoded like any
autoregressive net, and the product of these probabilities is exactly P(sequence).

B examples, J prefixes of each: all prefixes of one sequence, or beams. Sums are kept as logarithms. Each scan has a
single array as its input, because Keras' scan on TensorFlow does not accept several arrays of unknown length.
"""

from typing import Any

from keras import ops

BLANK, END = 0, 1  # ids: PAD and EOS of a vocabulary
LOG_ZERO = -1e9  # the logarithm of probability 0
MIN_PROBABILITY = 1e-37  # smaller probabilities are raised to this


def frame_logits(logits_BFV: Any) -> Any:
    """Return the logits of each frame, float32[B, F, V], with END, which no frame emits, masked out."""
    ids_V = ops.arange(logits_BFV.shape[-1])
    return ops.where(ids_V == END, LOG_ZERO, ops.cast(logits_BFV, "float32"))


def frame_probabilities(logits_BFV: Any, real_BF: Any) -> Any:
    """Return the probabilities of each frame, float32[B, F, V]. A padding frame is blank with probability 1.

    Such a frame changes no sum.
    """
    blank_V = ops.cast(ops.arange(logits_BFV.shape[-1]) == BLANK, "float32")
    return ops.where(real_BF[..., None], ops.softmax(frame_logits(logits_BFV), axis=-1), blank_V)


def ctc_nats(logits_BFV: Any, real_BF: Any, ids_BL: Any, lengths_B: Any) -> tuple[Any, Any]:
    """Return (-ln P(sequence), float32[B]; the mask of possible sequences, bool[B]). An impossible one costs 0.

    `lengths_B` includes END. A sequence needs a frame for each id and one more between equal neighbours; with fewer
    frames it is impossible. A row of length 0 holds no sequence and counts as impossible.
    """
    frames_B = ops.sum(ops.cast(real_BF, "int32"), axis=1)
    labels_B = ops.maximum(lengths_B - 1, 0)
    inside_BL = ops.arange(ops.shape(ids_BL)[1])[None] < labels_B[:, None]
    repeats_BL = ops.logical_and(ids_BL[:, 1:] == ids_BL[:, :-1], inside_BL[:, 1:])
    needed_B = ops.maximum(labels_B + ops.sum(ops.cast(repeats_BL, "int32"), axis=1), 1)
    possible_B = ops.logical_and(lengths_B > 0, needed_B <= frames_B)
    # An impossible sequence is replaced by an empty one of one frame: the gradient is finite, and then masked to 0.
    labels_B = ops.where(possible_B, labels_B, 0)
    nats_B = ops.ctc_loss(
        ops.where(inside_BL, ids_BL, BLANK), frame_logits(logits_BFV), labels_B, ops.maximum(frames_B, 1), BLANK
    )
    return ops.where(possible_B, nats_B, 0.0), possible_B


def empty_prefixes(probabilities_BFV: Any, prefixes: int) -> tuple[Any, Any]:
    """Return (b, n) of J = `prefixes` empty prefixes, float32[B, J, F + 1]: before each frame and after the last."""
    blank_FB = ops.transpose(_log(probabilities_BFV[..., BLANK]), (1, 0))
    start_B = ops.zeros_like(blank_FB[0])
    blank_BF = ops.transpose(ops.cumsum(blank_FB, axis=0), (1, 0))
    b_BF = ops.concatenate([start_B[:, None], blank_BF], axis=1)
    b_BJF = ops.repeat(b_BF[:, None], prefixes, axis=1)
    return b_BJF, ops.full_like(b_BJF, LOG_ZERO)


def extend_prefixes(probabilities_BFV: Any, b_BJF: Any, n_BJF: Any, last_BJ: Any, id_BJ: Any) -> tuple[Any, Any]:
    """Return (b, n) of each prefix after it is extended by `id_BJ`.

    `last_BJ` is the last id of each prefix before that; BLANK for an empty prefix.
    """
    label_BJF = _log(_picked(probabilities_BFV, id_BJ))
    blank_BF = _log(probabilities_BFV[..., BLANK])
    enter_BJF = ops.where((id_BJ == last_BJ)[..., None], b_BJF, ops.logaddexp(b_BJF, n_BJF))[..., :-1]

    def advance(carry: Any, frame_3BJ: Any) -> tuple[Any, Any]:
        b_BJ, n_BJ = carry
        enter_BJ, label_BJ, blank_BJ = ops.unstack(frame_3BJ, 3)
        carry = (ops.logaddexp(b_BJ, n_BJ) + blank_BJ, ops.logaddexp(n_BJ, enter_BJ) + label_BJ)
        return carry, carry

    zero_BJ = ops.full_like(b_BJF[..., 0], LOG_ZERO)
    blank_BJF = ops.broadcast_to(blank_BF[:, None], ops.shape(label_BJF))
    by_frame_F3BJ = ops.transpose(ops.stack([enter_BJF, label_BJF, blank_BJF]), (3, 0, 1, 2))
    _, outputs = ops.scan(advance, (zero_BJ, zero_BJ), by_frame_F3BJ)
    b_BJF, n_BJF = (ops.concatenate([zero_BJ[..., None], ops.transpose(x, (1, 2, 0))], axis=-1) for x in outputs)
    return b_BJF, n_BJF


def next_logits(probabilities_BFV: Any, b_BJF: Any, n_BJF: Any, last_BJ: Any) -> Any:
    """Return the log-probabilities of the next id, float32[B, J, V], up to one constant for each prefix.

    BLANK never follows. Probabilities are relative to the frame at which the prefix is most likely to be complete; a
    relative probability below 1e-37 counts as 1e-37.
    """
    before_BJF = ops.logaddexp(b_BJF, n_BJF)
    max_BJ1 = ops.max(before_BJF, axis=-1, keepdims=True)
    either_BJF, after_blank_BJF = (ops.exp(x[..., :-1] - max_BJ1) for x in (before_BJF, b_BJF))
    next_BJV = ops.matmul(either_BJF, probabilities_BFV)
    repeated_BJ = ops.sum(after_blank_BJF * _picked(probabilities_BFV, last_BJ), axis=-1)
    ids_V = ops.arange(probabilities_BFV.shape[-1])
    next_BJV = ops.where(ids_V == last_BJ[..., None], repeated_BJ[..., None], next_BJV)
    logits_BJV = ops.where(ids_V == END, before_BJF[..., -1:] - max_BJ1, _log(next_BJV))
    return ops.where(ids_V == BLANK, LOG_ZERO, logits_BJV)


def teacher_forced_logits(probabilities_BFV: Any, ids_BL: Any) -> Any:
    """Return `next_logits` after the first 0, 1, ... L - 1 ids of each sequence, float32[B, L, V], all in one scan."""
    last_BL = ops.pad(ids_BL[:, :-1], [[0, 0], [1, 0]], constant_values=BLANK)  # of each prefix; the first is empty
    repeats_BL = last_BL == ops.pad(last_BL[:, :-1], [[0, 0], [1, 0]], constant_values=-1)
    label_BLF = _log(_picked(probabilities_BFV, last_BL))
    blank_BF = _log(probabilities_BFV[..., BLANK])
    empty_1L = (ops.arange(ops.shape(ids_BL)[1]) == 0)[None]

    def advance(carry: Any, frame_BM: Any) -> tuple[Any, Any]:
        b_BL, n_BL = carry
        label_BL, blank_B1 = frame_BM[:, :-1], frame_BM[:, -1:]
        either_BL = ops.logaddexp(b_BL, n_BL)
        enter_BL = ops.where(repeats_BL, _shifted(b_BL), _shifted(either_BL))
        entered_BL = ops.where(empty_1L, LOG_ZERO, ops.logaddexp(n_BL, enter_BL) + label_BL)
        carry = (either_BL + blank_B1, entered_BL)
        return carry, carry

    zero_BL = ops.full(ops.shape(ids_BL), LOG_ZERO, "float32")
    start = (ops.where(empty_1L, 0.0, zero_BL), zero_BL)
    by_frame_FBM = ops.transpose(ops.concatenate([label_BLF, blank_BF[:, None]], axis=1), (2, 0, 1))
    _, outputs = ops.scan(advance, start, by_frame_FBM)
    b_BLF, n_BLF = (
        ops.concatenate([first[..., None], ops.transpose(x, (1, 2, 0))], axis=-1)
        for first, x in zip(start, outputs, strict=True)
    )
    return next_logits(probabilities_BFV, b_BLF, n_BLF, last_BL)


def _log(probability: Any) -> Any:
    """Return the logarithm of `probability`, which is raised to at least 1e-37."""
    return ops.log(ops.maximum(probability, MIN_PROBABILITY))


def _picked(probabilities_BFV: Any, ids_BJ: Any) -> Any:
    """Return the probability of each prefix's id at each frame, float32[B, J, F]."""
    return ops.transpose(ops.take_along_axis(probabilities_BFV, ids_BJ[:, None, :], axis=2), (0, 2, 1))


def _shifted(x_BL: Any) -> Any:
    """Return, for each prefix, the value of the prefix that is one id shorter."""
    return ops.pad(x_BL[:, :-1], [[0, 0], [1, 0]], constant_values=LOG_ZERO)
