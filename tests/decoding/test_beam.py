"""Beam search over a net of tables, and the top k by blocks."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

from t2t_mm.decoding.autoregressive_loop import greedy_search
from t2t_mm.decoding.beam import BLOCK_WIDTH, beam_search, blockwise_top_k, length_penalty
from t2t_mm.decoding.compiled import for_each_shape
from t2t_mm.layers.sequence import Seq

A, B, C = 2, 3, 4
LETTERS = (A, B, C)
GARDEN_PATH = {0: {A: 0.6, B: 0.4}, A: {1: 0.4, B: 0.35, C: 0.25}, B: {1: 0.9, C: 0.1}}


def search(net, positions, beams, alpha=0.0):
    """Return beam search as a function of (memory, x_R1D, limits_B)."""
    return lambda memory, x_R1D, limits_B: beam_search(
        net, "spell", net.start("spell", memory, positions), x_R1D, limits_B, positions, beams, alpha
    )


def run(net, memory, beams, limits, positions=6, alpha=0.0):
    x_R1D = net.first("spell", len(limits) * beams)
    outputs = search(net, positions, beams, alpha)(memory, x_R1D, ops.convert_to_tensor(limits, "int32"))
    return [ops.convert_to_numpy(tensor) for tensor in outputs]


def trimmed(ids_T):
    return tuple(int(id) for id in np.trim_zeros(ids_T, "b"))


def probability(table_VVV, ids):
    total, before, last = 1.0, 0, 0
    for id in ids:
        total *= table_VVV[before, last, id]
        before, last = last, id
    return total


def every_finished_output(table_VVV, limit):
    letters = [()] + [p for n in range(1, limit) for p in itertools.product(LETTERS, repeat=n)]
    return {(*prefix, 1): probability(table_VVV, (*prefix, 1)) for prefix in letters}


def test_beam_search_finds_what_greedy_search_misses_and_ranks_by_probability(chain_net, memory_of):
    ids_BKT, scores_BK = run(chain_net(GARDEN_PATH), memory_of(0, 0), beams=2, limits=[6])
    assert [trimmed(ids_T) for ids_T in ids_BKT[0]] == [(B, 1), (A, 1)]
    np.testing.assert_allclose(np.exp(scores_BK), [[0.4 * 0.9, 0.6 * 0.4]], rtol=1e-5)


def test_the_length_penalty_is_that_of_wu_et_al():
    assert float(length_penalty(1, 0.6)) == pytest.approx(1.0)
    assert float(length_penalty(7, 1.0)) == pytest.approx(2.0)
    assert float(length_penalty(19, 0.5)) == pytest.approx(2.0)
    assert float(length_penalty(19, 0.0)) == pytest.approx(1.0)


def test_larger_alpha_favours_longer_outputs(chain_net, memory_of):
    # "a" has probability 0.5 over 2 ids, "b c a" has 0.45 over 4: ln 0.5 = -0.693 and ln 0.45 = -0.799.
    net = chain_net({0: {A: 0.5, B: 0.5}, B: {C: 0.9, 1: 0.1}, C: {A: 1.0}})
    ids_BKT, _ = run(net, memory_of(0, 0), beams=2, limits=[6], alpha=0.0)
    assert [trimmed(ids_T) for ids_T in ids_BKT[0]] == [(A, 1), (B, C, A, 1)]
    ids_BKT, scores_BK = run(net, memory_of(0, 0), beams=2, limits=[6], alpha=1.0)
    assert [trimmed(ids_T) for ids_T in ids_BKT[0]] == [(B, C, A, 1), (A, 1)]
    np.testing.assert_allclose(scores_BK, [[np.log(0.45) * 6 / 9, np.log(0.5) * 6 / 7]], rtol=1e-5)


@pytest.mark.parametrize("alpha", [0.0, 0.6, 2.0])
@pytest.mark.parametrize("seed", range(3))
def test_beam_search_with_enough_beams_is_exhaustive_search(random_net, memory_of, seed, alpha):
    net, table_SVVV = random_net(seed)
    beams, limit = 54, 4  # at most 27 unfinished outputs, so 108 candidates, and 40 finished ones
    ids_BKT, scores_BK = run(net, memory_of(*[0] * beams), beams, limits=[limit], positions=5, alpha=alpha)
    score = {
        ids: np.log(p) / ((5 + len(ids)) / 6) ** alpha for ids, p in every_finished_output(table_SVVV[0], limit).items()
    }
    best = sorted(score, key=lambda ids: -score[ids])
    assert [trimmed(ids_T) for ids_T in ids_BKT[0, :40]] == best
    np.testing.assert_allclose(scores_BK[0, :40], [score[ids] for ids in best], rtol=1e-4)
    assert np.all(scores_BK[0, 40:] == -np.inf)


@pytest.mark.parametrize("beams", [2, 3])
def test_each_beam_keeps_its_own_state(random_net, memory_of, beams):
    # Tables of the second order: a beam that went on with another's state would report another's probability.
    net, table_SVVV = random_net(7, sources=4)
    sources = np.repeat([3, 0, 2, 1], beams)
    ids_BKT, scores_BK = run(net, memory_of(*sources), beams, limits=[6] * 4, alpha=0.6)
    for example, source in enumerate([3, 0, 2, 1]):
        for ids_T, score in zip(ids_BKT[example], scores_BK[example], strict=True):
            ids = trimmed(ids_T)
            expected = np.log(probability(table_SVVV[source], ids)) / ((5 + len(ids)) / 6) ** 0.6
            assert score == pytest.approx(expected, rel=1e-4)
        assert len({trimmed(ids_T) for ids_T in ids_BKT[example]}) == beams
        assert np.all(np.diff(scores_BK[example]) <= 0)


def test_one_beam_never_scores_less_than_greedy_search(random_net, memory_of):
    # They differ where greedy_search goes on: a beam keeps what ended on the way, and may find nothing better.
    net, _ = random_net(3, sources=4)
    memory = memory_of(0, 1, 2, 3)
    limits_B = ops.convert_to_tensor([8] * 4, "int32")
    _, log_probs_B = greedy_search(net, "spell", net.start("spell", memory, 8), net.first("spell", 4), limits_B, 8)
    _, scores_BK = run(net, memory, beams=1, limits=[8] * 4, positions=8)
    assert np.all(scores_BK[:, 0] >= ops.convert_to_numpy(log_probs_B) - 1e-5)


def test_compiled_beam_search_equals_beam_search_without_compilation(random_net, memory_of):
    net, _ = random_net(5, sources=2)
    memory = memory_of(0, 0, 1, 1)
    program = for_each_shape(
        lambda values, real, x_R1D, limits_B: search(net, 6, 2, 0.6)(Seq(values, real), x_R1D, limits_B), net.variables
    )
    limits_B = ops.convert_to_tensor([6, 4], "int32")
    fast_BKT, fast_BK = program(memory.values_BLD, memory.real_BL, net.first("spell", 4), limits_B)
    ids_BKT, scores_BK = run(net, memory, beams=2, limits=[6, 4], alpha=0.6)
    np.testing.assert_array_equal(fast_BKT, ids_BKT)
    np.testing.assert_allclose(fast_BK, scores_BK, rtol=1e-5)


def test_an_example_without_an_end_returns_its_unfinished_beams_at_its_limit(chain_net, memory_of):
    net = chain_net({0: {A: 0.7, B: 0.3}, A: {A: 1.0}, B: {B: 1.0}})
    ids_BKT, scores_BK = run(net, memory_of(0, 0, 0, 0), beams=2, limits=[3, 5])
    assert [trimmed(ids_T) for ids_T in ids_BKT[0]] == [(A,) * 3, (B,) * 3]
    assert [trimmed(ids_T) for ids_T in ids_BKT[1]] == [(A,) * 5, (B,) * 5]
    np.testing.assert_allclose(np.exp(scores_BK), [[0.7, 0.3]] * 2, rtol=1e-5)


def test_an_example_with_fewer_outputs_than_beams_has_scores_of_minus_infinity(chain_net, memory_of):
    ids_BKT, scores_BK = run(chain_net({0: {A: 1.0}}), memory_of(0, 0, 0, 0), beams=2, limits=[2, 0])
    assert trimmed(ids_BKT[0, 0]) == (A, 1)
    assert scores_BK[0, 0] == pytest.approx(0.0, abs=1e-5)
    assert np.all(scores_BK[1] == -np.inf)


def test_beam_search_of_an_example_does_not_depend_on_other_examples(random_net, memory_of):
    net, _ = random_net(11, sources=3)
    batch_BKT, scores_BK = run(net, memory_of(0, 0, 1, 1, 2, 2), beams=2, limits=[6, 3, 5], alpha=0.6)
    for example, limit in enumerate([6, 3, 5]):
        alone_BKT, alone_BK = run(net, memory_of(example, example), beams=2, limits=[limit], alpha=0.6)
        np.testing.assert_array_equal(batch_BKT[example], alone_BKT[0])
        np.testing.assert_allclose(scores_BK[example], alone_BK[0], rtol=1e-6)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="counts calls of a loop that is not traced")
def test_beam_search_stops_once_no_unfinished_beam_can_beat_the_worst_finished(chain_net, memory_of, monkeypatch):
    net, calls = chain_net(GARDEN_PATH), []
    step = net.step
    monkeypatch.setattr(net, "step", lambda *args: calls.append(1) or step(*args))
    limits_B = ops.convert_to_tensor([60], "int32")
    state = net.start("spell", memory_of(0, 0), 60)
    beam_search(net, "spell", state, net.first("spell", 2), limits_B, 60, 2, 0.0)
    # After 2 ids 0.36 and 0.24 have ended; the best unfinished has 0.6 * 0.35 = 0.21.
    assert len(calls) == 2


def test_the_bound_of_beam_search_uses_the_largest_penalty_an_output_can_reach(chain_net, memory_of):
    # "a" and "b" end with 0.3 after 2 ids: ln 0.3 / (7/6)^4 = -0.65. What goes on has 0.2, over its present penalty
    # ln 0.2 / (7/6)^4 = -0.87, and yet it wins at 6 ids: ln 0.048 / (11/6)^4 = -0.27.
    net = chain_net({0: {A: 0.5, B: 0.5}, A: {1: 0.6, C: 0.4}, B: {1: 0.6, C: 0.4}, C: {B: 1.0}})
    ids_BKT, scores_BK = run(net, memory_of(0, 0), beams=2, limits=[6], alpha=4.0)
    assert {trimmed(ids_T) for ids_T in ids_BKT[0]} == {(A, C, B, C, B, 1), (B, C, B, C, B, 1)}
    np.testing.assert_allclose(scores_BK, [[np.log(0.048) * (6 / 11) ** 4] * 2], rtol=1e-5)


def top_k(x_BN, count):
    values_BK, indices_BK = blockwise_top_k(ops.convert_to_tensor(x_BN), count)
    return ops.convert_to_numpy(values_BK), ops.convert_to_numpy(indices_BK)


def sorted_stably(x_BN, count):
    indices_BK = np.argsort(-x_BN, axis=1, kind="stable")[:, :count]
    return np.take_along_axis(x_BN, indices_BK, axis=1), indices_BK


@pytest.mark.parametrize("numbers", [7, 6 * BLOCK_WIDTH, 6 * BLOCK_WIDTH + 1, 6 * BLOCK_WIDTH - 1, 40 * BLOCK_WIDTH])
@pytest.mark.parametrize("values", [2, 9, 10**6])  # few values: many are equal, in one block and in several
def test_blockwise_top_k_is_the_stable_sort(numbers, values):
    x_BN = np.random.default_rng(numbers).integers(values, size=(5, numbers)).astype("float32")
    for mine, expected in zip(top_k(x_BN, 5), sorted_stably(x_BN, 5), strict=True):
        np.testing.assert_array_equal(mine, expected)


def test_blockwise_top_k_ranks_minus_infinity_as_a_number():
    x_BN = np.full((2, 10 * BLOCK_WIDTH + 3), -np.inf, "float32")
    x_BN[1, -1] = 1.0
    values_BK, indices_BK = top_k(x_BN, 4)
    np.testing.assert_array_equal(indices_BK, [[0, 1, 2, 3], [10 * BLOCK_WIDTH + 2, 0, 1, 2]])
    np.testing.assert_array_equal(values_BK[1], [1.0, -np.inf, -np.inf, -np.inf])
