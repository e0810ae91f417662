"""Connectionist temporal classification (Graves et al. 2006): what vectors of moments say of a line of ids.

Each of F moments says one of V ids or nothing, the blank, which is the id of pads here, as no line holds it. A line is
said by every way of spreading it over the moments; an id repeated without a blank between counts once. END is said by
no moment: a line ends where the moments end.

The sum over all ways is taken prefix by prefix. With b and n the probabilities that the first f moments say just the
prefix and end on a blank or on its last id (section 4.1 of the paper), and p_f those of moment f,

    n'(f + 1) = (n'(f) + b(f) + n(f)) p_f(id)        of the prefix with `id` behind; without n(f) where `id` repeats
    b(f + 1)  = (b(f) + n(f)) p_f(blank)
    P(prefix, then id, then anything) = sum over f of (b(f) + n(f)) p_f(id);  P(prefix, then the end) = b(F) + n(F)

so that a distribution over the next id, or the end, follows from the ids before it: CTC is read like any other net
that writes word by word, and the product of these is P(line) exactly.

B examples, J prefixes of each: those of one line, or beams. Sums are kept as logarithms. A scan gets one array alone:
Keras' on TensorFlow cannot take several of unknown length.
"""

from typing import Any

from keras import ops

BLANK, END = 0, 1  # ids, a vocabulary's PAD and EOS
NEVER = -1e9  # the logarithm of what cannot be
SMALLEST = 1e-37  # a probability below it counts as this much


def moment_logits(logits_BFV: Any) -> Any:
    """float32[B, F, V]: with END, which no moment says, out of the question."""
    ids_V = ops.arange(logits_BFV.shape[-1])
    return ops.where(ids_V == END, NEVER, ops.cast(logits_BFV, "float32"))


def moment_probabilities(logits_BFV: Any, real_BF: Any) -> Any:
    """float32[B, F, V]: what each moment says; a pad is a blank for certain, which changes no sum."""
    blank_V = ops.cast(ops.arange(logits_BFV.shape[-1]) == BLANK, "float32")
    return ops.where(real_BF[..., None], ops.softmax(moment_logits(logits_BFV), axis=-1), blank_V)


def ctc_nats(logits_BFV: Any, real_BF: Any, ids_BL: Any, lengths_B: Any) -> tuple[Any, Any]:
    """(-ln P(line) float32[B], whether it can be said at all bool[B]); 0 for a line that cannot.

    `lengths_B` count END. A line needs a moment for each id and one more between equal neighbours; a row of length 0
    is no line.
    """
    moments_B = ops.sum(ops.cast(real_BF, "int32"), axis=1)
    labels_B = ops.maximum(lengths_B - 1, 0)
    inside_BL = ops.arange(ops.shape(ids_BL)[1])[None] < labels_B[:, None]
    repeats_BL = ops.logical_and(ids_BL[:, 1:] == ids_BL[:, :-1], inside_BL[:, 1:])
    needed_B = ops.maximum(labels_B + ops.sum(ops.cast(repeats_BL, "int32"), axis=1), 1)
    possible_B = ops.logical_and(lengths_B > 0, needed_B <= moments_B)
    # What cannot be said is asked for as an empty line of one moment: its gradient is a number, and then nothing.
    labels_B = ops.where(possible_B, labels_B, 0)
    nats_B = ops.ctc_loss(
        ops.where(inside_BL, ids_BL, BLANK), moment_logits(logits_BFV), labels_B, ops.maximum(moments_B, 1), BLANK
    )
    return ops.where(possible_B, nats_B, 0.0), possible_B


def nothing_said(probabilities_BFV: Any, prefixes: int) -> tuple[Any, Any]:
    """(b, n), float32[B, J, F + 1] each, of J = `prefixes` empty prefixes, before each moment and behind the last."""
    blank_FB = ops.transpose(_log(probabilities_BFV[..., BLANK]), (1, 0))
    start_B = ops.zeros_like(blank_FB[0])
    blank_BF = ops.transpose(ops.cumsum(blank_FB, axis=0), (1, 0))
    b_BF = ops.concatenate([start_B[:, None], blank_BF], axis=1)
    b_BJF = ops.repeat(b_BF[:, None], prefixes, axis=1)
    return b_BJF, ops.full_like(b_BJF, NEVER)


def said_further(probabilities_BFV: Any, b_BJF: Any, n_BJF: Any, last_BJ: Any, id_BJ: Any) -> tuple[Any, Any]:
    """(b, n) of each prefix, which ends with `last_BJ`, once `id_BJ` stands behind it. BLANK is no last id."""
    label_BJF = _log(_picked(probabilities_BFV, id_BJ))
    blank_BF = _log(probabilities_BFV[..., BLANK])
    enter_BJF = ops.where((id_BJ == last_BJ)[..., None], b_BJF, ops.logaddexp(b_BJF, n_BJF))[..., :-1]

    def go_on(carry: Any, now_3BJ: Any) -> tuple[Any, Any]:
        b_BJ, n_BJ = carry
        enter_BJ, label_BJ, blank_BJ = ops.unstack(now_3BJ, 3)
        carry = (ops.logaddexp(b_BJ, n_BJ) + blank_BJ, ops.logaddexp(n_BJ, enter_BJ) + label_BJ)
        return carry, carry

    never_BJ = ops.full_like(b_BJF[..., 0], NEVER)
    blank_BJF = ops.broadcast_to(blank_BF[:, None], ops.shape(label_BJF))
    by_moment_F3BJ = ops.transpose(ops.stack([enter_BJF, label_BJF, blank_BJF]), (3, 0, 1, 2))
    _, later = ops.scan(go_on, (never_BJ, never_BJ), by_moment_F3BJ)
    b_BJF, n_BJF = (ops.concatenate([never_BJ[..., None], ops.transpose(x, (1, 2, 0))], axis=-1) for x in later)
    return b_BJF, n_BJF


def next_logits(probabilities_BFV: Any, b_BJF: Any, n_BJF: Any, last_BJ: Any) -> Any:
    """float32[B, J, V]: up to one constant for each prefix, the log-probabilities of what follows it; BLANK never does.

    An id that is less likely than 1e-37, beside the likeliest moment for the prefix to be said by, counts as that.
    """
    before_BJF = ops.logaddexp(b_BJF, n_BJF)
    most_BJ1 = ops.max(before_BJF, axis=-1, keepdims=True)
    either_BJF, after_blank_BJF = (ops.exp(x[..., :-1] - most_BJ1) for x in (before_BJF, b_BJF))
    said_BJV = ops.matmul(either_BJF, probabilities_BFV)
    again_BJ = ops.sum(after_blank_BJF * _picked(probabilities_BFV, last_BJ), axis=-1)
    ids_V = ops.arange(probabilities_BFV.shape[-1])
    said_BJV = ops.where(ids_V == last_BJ[..., None], again_BJ[..., None], said_BJV)
    logits_BJV = ops.where(ids_V == END, before_BJF[..., -1:] - most_BJ1, _log(said_BJV))
    return ops.where(ids_V == BLANK, NEVER, logits_BJV)


def line_logits(probabilities_BFV: Any, ids_BL: Any) -> Any:
    """float32[B, L, V]: `next_logits` of the first 0, 1, ... L - 1 ids of each line; all prefixes at once."""
    last_BL = ops.pad(ids_BL[:, :-1], [[0, 0], [1, 0]], constant_values=BLANK)  # of each prefix; the first is empty
    again_BL = last_BL == ops.pad(last_BL[:, :-1], [[0, 0], [1, 0]], constant_values=-1)
    label_BLF = _log(_picked(probabilities_BFV, last_BL))
    blank_BF = _log(probabilities_BFV[..., BLANK])
    empty_1L = (ops.arange(ops.shape(ids_BL)[1]) == 0)[None]

    def go_on(carry: Any, now_BM: Any) -> tuple[Any, Any]:
        b_BL, n_BL = carry
        label_BL, blank_B1 = now_BM[:, :-1], now_BM[:, -1:]
        either_BL = ops.logaddexp(b_BL, n_BL)
        enter_BL = ops.where(again_BL, _moved(b_BL), _moved(either_BL))
        entered_BL = ops.where(empty_1L, NEVER, ops.logaddexp(n_BL, enter_BL) + label_BL)
        carry = (either_BL + blank_B1, entered_BL)
        return carry, carry

    never_BL = ops.full(ops.shape(ids_BL), NEVER, "float32")
    first = (ops.where(empty_1L, 0.0, never_BL), never_BL)
    by_moment_FBM = ops.transpose(ops.concatenate([label_BLF, blank_BF[:, None]], axis=1), (2, 0, 1))
    _, later = ops.scan(go_on, first, by_moment_FBM)
    b_BLF, n_BLF = (
        ops.concatenate([begin[..., None], ops.transpose(x, (1, 2, 0))], axis=-1)
        for begin, x in zip(first, later, strict=True)
    )
    return next_logits(probabilities_BFV, b_BLF, n_BLF, last_BL)


def _log(probability: Any) -> Any:
    return ops.log(ops.maximum(probability, SMALLEST))


def _picked(probabilities_BFV: Any, ids_BJ: Any) -> Any:
    """float32[B, J, F]: the probability of each prefix's id at each moment."""
    return ops.transpose(ops.take_along_axis(probabilities_BFV, ids_BJ[:, None, :], axis=2), (0, 2, 1))


def _moved(x_BL: Any) -> Any:
    """What the prefix that is one id shorter has."""
    return ops.pad(x_BL[:, :-1], [[0, 0], [1, 0]], constant_values=NEVER)
