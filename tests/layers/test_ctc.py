"""CTC against the sum over all alignments, by enumeration, and against Keras' own loss."""

from itertools import product

import numpy as np
import pytest
from keras import ops

from t2t_mm.data.vocabulary import EOS, PAD
from t2t_mm.layers.ctc import (
    BLANK,
    END,
    ctc_nats,
    empty_prefixes,
    extend_prefixes,
    frame_probabilities,
    next_logits,
    teacher_forced_logits,
)

SYMBOLS, FRAMES = 5, 4  # a frame emits the symbols 2, 3 and 4


def drawn(rows=1, frames=FRAMES, seed=0, scale=1.0):
    return (scale * np.random.default_rng(seed).normal(size=(rows, frames, SYMBOLS))).astype("float32")


def all_real(logits_BFV):
    return np.ones(logits_BFV.shape[:2], bool)


def collapsed(alignment):
    """Return the label sequence of an alignment: repeats count once, blanks are removed."""
    return tuple(s for i, s in enumerate(alignment) if s != BLANK and (i == 0 or alignment[i - 1] != s))


def lines_of(logits_FV):
    """Return the probability of every label sequence, by enumeration of all alignments."""
    masked_FV = logits_FV.astype(np.float64).copy()
    masked_FV[:, END] = -np.inf
    p_FV = np.exp(masked_FV) / np.exp(masked_FV).sum(axis=1, keepdims=True)
    probabilities = {}
    for alignment in product([BLANK, 2, 3, 4], repeat=len(p_FV)):
        line = collapsed(alignment)
        probability = np.prod([p_V[s] for p_V, s in zip(p_FV, alignment, strict=True)])
        probabilities[line] = probabilities.get(line, 0.0) + probability
    return probabilities


def next_by_enumeration(lines, prefix):
    """Return the distribution of the id after `prefix`, float64[V]; the entry END is that of the end."""
    after_V = np.zeros(SYMBOLS)
    after_V[END] = lines.get(prefix, 0.0)
    for line, probability in lines.items():
        if len(line) > len(prefix) and line[: len(prefix)] == prefix:
            after_V[line[len(prefix)]] += probability
    return after_V / after_V.sum()


def softmax(logits):
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def padded(lines):
    """Return (ids int32[B, L], lengths int32[B]) of lines, each followed by END."""
    ids_BL = np.zeros((len(lines), max(map(len, lines)) + 1), np.int32)
    for row, line in enumerate(lines):
        ids_BL[row, : len(line) + 1] = [*line, END]
    return ids_BL, np.array([len(line) + 1 for line in lines], np.int32)


LINES = [(), (2,), (3, 3), (2, 3, 2), (4, 4, 3), (2, 3, 4, 2)]


def test_blank_and_end_are_the_vocabularys_pad_and_end():
    assert (BLANK, END) == (PAD, EOS)


def test_the_probability_of_a_line_is_the_sum_over_its_alignments():
    logits_BFV = np.repeat(drawn(), len(LINES), axis=0)
    nats_B, possible_B = ctc_nats(logits_BFV, all_real(logits_BFV), *padded(LINES))
    lines = lines_of(logits_BFV[0])
    assert ops.convert_to_numpy(possible_B).all()
    np.testing.assert_allclose(ops.convert_to_numpy(nats_B), [-np.log(lines[line]) for line in LINES], rtol=1e-5)


def test_ctc_nats_of_two_frames_by_hand():
    # Each frame: blank 1/2, the symbol 2 a half. One 2: "2 2", "2 -", "- 2" make 3/4. None: 1/4. Two: impossible.
    logits_BFV = np.full((3, 2, SYMBOLS), -1e9, np.float32)
    logits_BFV[..., [BLANK, 2]] = 0.0
    nats_B, possible_B = ctc_nats(logits_BFV, all_real(logits_BFV), *padded([(2,), (), (2, 2)]))
    np.testing.assert_allclose(ops.convert_to_numpy(nats_B), [np.log(4 / 3), np.log(4), 0.0], rtol=1e-5)
    assert ops.convert_to_numpy(possible_B).tolist() == [True, True, False]


@pytest.mark.parametrize("seed", range(3))
def test_the_distribution_after_each_prefix_is_that_of_the_lines_with_this_prefix(seed):
    logits_BFV = drawn(seed=seed, scale=2.0)
    lines = lines_of(logits_BFV[0])
    frames_BFV = frame_probabilities(logits_BFV, all_real(logits_BFV))
    for line in LINES:
        actual_LV = softmax(ops.convert_to_numpy(teacher_forced_logits(frames_BFV, padded([line])[0]))[0])
        for t in range(len(line) + 1):
            np.testing.assert_allclose(actual_LV[t], next_by_enumeration(lines, line[:t]), atol=1e-5)


def random_lines(rows, length, seed=0):
    """Return lines of many symbols, a third of them equal to the one before, and logits with enough frames for them."""
    rng = np.random.default_rng(seed)
    lines = []
    for _ in range(rows):
        line = rng.integers(2, 30, rng.integers(1, length + 1))
        for i in np.flatnonzero(rng.random(len(line)) < 0.3):
            line[i] = line[max(0, i - 1)]
        lines.append(tuple(line.tolist()))
    return lines, rng.normal(0, 3, (rows, 2 * length + 5, 30)).astype("float32")


def test_the_product_over_next_symbols_is_keras_ctc_loss():
    lines, logits_BFV = random_lines(6, 12)
    ids_BL, lengths_B = padded(lines)
    frames_B = np.array([29, 29, 27, 28, 26, 25], np.int32)
    real_BF = np.arange(29)[None] < frames_B[:, None]
    logits_BLV = teacher_forced_logits(frame_probabilities(logits_BFV, real_BF), ids_BL)
    log_probs_BLV = ops.convert_to_numpy(ops.log_softmax(logits_BLV, axis=-1))
    chain_B = np.array([-sum(log_probs_BLV[b, t, ids_BL[b, t]] for t in range(n)) for b, n in enumerate(lengths_B)])
    logits_BFV[..., END] = -1e9
    keras_B = ops.ctc_loss(ids_BL, logits_BFV, lengths_B - 1, frames_B, BLANK)
    np.testing.assert_allclose(chain_B, ops.convert_to_numpy(keras_B), rtol=1e-4)
    nats_B, _ = ctc_nats(logits_BFV, real_BF, ids_BL, lengths_B)
    np.testing.assert_allclose(ops.convert_to_numpy(nats_B), ops.convert_to_numpy(keras_B), rtol=1e-5)


def test_stepwise_prefix_extension_equals_teacher_forced_logits():
    lines, logits_BFV = random_lines(4, 6, seed=1)
    ids_BL, _ = padded([line + (2,) * (6 - len(line)) for line in lines])
    frames_BFV = frame_probabilities(logits_BFV, all_real(logits_BFV))
    full_BLV = softmax(ops.convert_to_numpy(teacher_forced_logits(frames_BFV, ids_BL)))
    (b_BJF, n_BJF), last_BJ = empty_prefixes(frames_BFV, 2), np.zeros((4, 2), np.int32)
    for t in range(7):
        if t:
            id_BJ = np.stack([ids_BL[:, t - 1], np.full(4, 7)], axis=1).astype(np.int32)  # a beam of 7s only
            b_BJF, n_BJF = extend_prefixes(frames_BFV, b_BJF, n_BJF, last_BJ, id_BJ)
            last_BJ = id_BJ
        actual_BJV = softmax(ops.convert_to_numpy(next_logits(frames_BFV, b_BJF, n_BJF, last_BJ)))
        np.testing.assert_allclose(actual_BJV[:, 0], full_BLV[:, t], atol=1e-5)


def test_padding_after_the_frames_changes_no_result():
    lines, logits_BFV = random_lines(3, 5, seed=2)
    ids_BL, lengths_B = padded(lines)
    more_BFV = np.concatenate([logits_BFV, np.full((3, 9, 30), 50.0, np.float32)], axis=1)
    real_BF = np.arange(more_BFV.shape[1]) < logits_BFV.shape[1]
    real_BF = np.repeat(real_BF[None], 3, axis=0)
    both = [(logits_BFV, all_real(logits_BFV)), (more_BFV, real_BF)]
    one_B, other_B = (ops.convert_to_numpy(ctc_nats(*pair, ids_BL, lengths_B)[0]) for pair in both)
    np.testing.assert_allclose(one_B, other_B, rtol=1e-6)
    one, other = (
        softmax(ops.convert_to_numpy(teacher_forced_logits(frame_probabilities(*pair), ids_BL))) for pair in both
    )
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_ctc_is_finite_for_frames_of_extreme_logits():
    logits_BFV = drawn(rows=3, scale=1e4)
    ids_BL, lengths_B = padded([(2, 3), (4, 4, 4), (3,)])
    nats_B, possible_B = ctc_nats(logits_BFV, all_real(logits_BFV), ids_BL, lengths_B)
    assert np.isfinite(ops.convert_to_numpy(nats_B)).all()
    assert ops.convert_to_numpy(possible_B).tolist() == [True, False, True]  # three 4s in a row need five frames
    logits_BLV = ops.convert_to_numpy(
        teacher_forced_logits(frame_probabilities(logits_BFV, all_real(logits_BFV)), ids_BL)
    )
    assert np.isfinite(logits_BLV).all()


def test_a_row_without_a_line_or_without_frames_costs_nothing():
    logits_BFV = drawn(rows=2)
    real_BF = np.array([[True] * FRAMES, [False] * FRAMES])
    ids_BL, _ = padded([(2,), (2,)])
    nats_B, possible_B = ctc_nats(logits_BFV, real_BF, ids_BL, np.array([0, 2], np.int32))
    assert ops.convert_to_numpy(nats_B).tolist() == [0, 0]
    assert ops.convert_to_numpy(possible_B).tolist() == [False, False]
