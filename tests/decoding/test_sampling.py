import itertools

import numpy as np
import pytest
from keras import ops

from t2t_mm.decoding.answers import DecodeOptions, Sampling
from t2t_mm.decoding.autoregressive_loop import greedy_search
from t2t_mm.decoding.compiled import for_each_shape
from t2t_mm.decoding.sampling import draw, gumbel, keys, sample
from t2t_mm.errors import UserError

A, B, C = 2, 3, 4
ROWS = 4000


def drawn(probabilities, sampling, rows=ROWS, t=0):
    """Draw for `rows` rows of equal probabilities. Return ids and their log-probabilities."""
    with np.errstate(divide="ignore"):
        log_probs_BV = np.log(np.tile(np.array(probabilities, "float32"), (rows, 1)))
    keys_B2 = ops.convert_to_tensor(keys(sampling.seed, range(rows), 1)[:, 0])
    outputs = draw(ops.convert_to_tensor(log_probs_BV), ops.convert_to_tensor(t, "int32"), keys_B2, sampling)
    log_probs_B, ids_B = (ops.convert_to_numpy(tensor) for tensor in outputs)
    return ids_B, log_probs_B


def assert_follows(ids_B, expected_V):
    """Check that the shares of ids are within four standard deviations of `expected_V`, and 0 where it is 0."""
    expected_V = np.array(expected_V)
    shares_V = np.bincount(ids_B, minlength=len(expected_V)) / len(ids_B)
    assert np.all(np.abs(shares_V - expected_V) <= 4 * np.sqrt(expected_V * (1 - expected_V) / len(ids_B))), shares_V


def test_samples_follow_the_probabilities_and_each_returns_its_own():
    probabilities = [0.0, 0.5, 0.3, 0.15, 0.05]
    ids_B, log_probs_B = drawn(probabilities, Sampling(seed=1))
    assert_follows(ids_B, probabilities)
    np.testing.assert_allclose(np.exp(log_probs_B), np.array(probabilities)[ids_B], rtol=1e-5)


@pytest.mark.parametrize("temperature, odds", [(0.5, [0, 4, 1, 1]), (1.0, [0, 2, 1, 1]), (2.0, [0, 2**0.5, 1, 1])])
def test_temperature_raises_probabilities_to_its_inverse_power(temperature, odds):
    ids_B, log_probs_B = drawn([0.0, 0.5, 0.25, 0.25], Sampling(temperature=temperature, seed=2))
    assert_follows(ids_B, np.array(odds) / np.sum(odds))
    np.testing.assert_allclose(np.exp(log_probs_B[ids_B == 1]), 0.5, rtol=1e-5)  # the model's own, not the power


@pytest.mark.parametrize(
    "top_k, expected",
    [
        (1, [0, 0, 1, 0, 0]),
        (2, [0, 0, 4, 3, 0]),
        (3, [2, 0, 4, 3, 0]),
        (99, [2, 1, 4, 3, 0]),
    ],
)
def test_top_k_draws_from_the_most_likely_ids(top_k, expected):
    ids_B, _ = drawn([0.2, 0.1, 0.4, 0.3, 0.0], Sampling(top_k=top_k, seed=3))
    assert_follows(ids_B, np.array(expected) / np.sum(expected))


@pytest.mark.parametrize(
    "top_p, expected",
    [
        (1e-9, [0, 0, 1, 0, 0]),
        (0.4, [0, 0, 1, 0, 0]),  # reached exactly by the first alone
        (0.41, [0, 0, 4, 3, 0]),
        (0.7, [0, 0, 4, 3, 0]),
        (0.75, [2, 0, 4, 3, 0]),
        (0.95, [2, 1, 4, 3, 0]),
    ],
)
def test_top_p_draws_from_the_smallest_set_that_reaches_it(top_p, expected):
    ids_B, _ = drawn([0.2, 0.1, 0.4, 0.3, 0.0], Sampling(top_p=top_p, seed=4))
    assert_follows(ids_B, np.array(expected) / np.sum(expected))


def test_equal_ids_are_ranked_by_number_for_top_k_and_top_p():
    equal = [0.0, 0.25, 0.25, 0.25, 0.25]
    assert_follows(drawn(equal, Sampling(top_k=2, seed=5))[0], [0, 0.5, 0.5, 0, 0])
    assert_follows(drawn(equal, Sampling(top_p=0.6, seed=5))[0], [0, 1 / 3, 1 / 3, 1 / 3, 0])


def test_top_p_applies_after_top_k_and_temperature():
    # The two likeliest have 4/7 and 3/7 among themselves, and 4/7 = 0.571 reaches 0.55 alone, as 0.4 would not.
    ids_B, _ = drawn([0.2, 0.1, 0.4, 0.3], Sampling(top_k=2, top_p=0.55, seed=6))
    assert set(ids_B) == {2}
    # At temperature 1/2 the first has 16/30 = 0.533.
    ids_B, _ = drawn([0.2, 0.1, 0.4, 0.3], Sampling(temperature=0.5, top_p=0.53, seed=6))
    assert set(ids_B) == {2}


def test_the_nucleus_of_very_many_ids_is_the_one_that_sorting_gives():
    probabilities = np.random.default_rng(0).dirichlet([0.05] * 3000)
    for top_p in (0.05, 0.5, 0.9):
        ids_B, _ = drawn(probabilities, Sampling(top_p=top_p, seed=7), rows=1000)
        order = np.argsort(-probabilities, kind="stable")
        fewest = order[: np.searchsorted(np.cumsum(probabilities[order]), top_p) + 1]
        assert set(ids_B) <= set(fewest)
        share = probabilities[fewest[0]] / probabilities[fewest].sum()
        assert np.mean(ids_B == fewest[0]) == pytest.approx(share, abs=4 * np.sqrt(share / 1000))


def test_noise_is_gumbel_distributed_and_independent_between_rows_positions_and_ids():
    keys_B2 = ops.convert_to_tensor(keys(0, range(50), 1)[:, 0])
    ids_BK = ops.broadcast_to(ops.arange(400, dtype="int32"), (50, 400))
    first, second = (ops.convert_to_numpy(gumbel(keys_B2, ops.convert_to_tensor(t, "int32"), ids_BK)) for t in (0, 1))
    noise = np.stack([first, second])
    assert np.all(np.isfinite(noise))
    assert noise.mean() == pytest.approx(np.euler_gamma, abs=0.03)
    assert noise.var() == pytest.approx(np.pi**2 / 6, abs=0.05)
    assert len(np.unique(noise)) > 0.99 * noise.size
    for axis in range(3):
        near, far = np.delete(noise, 0, axis).ravel(), np.delete(noise, -1, axis).ravel()
        assert abs(np.corrcoef(near, far)[0, 1]) < 0.03


def test_a_key_depends_on_the_seed_the_index_and_the_sample():
    drawn_keys = [
        tuple(keys(seed, [place], 3)[0, k]) for seed, place, k in itertools.product((0, 1), (0, 1, 9), range(3))
    ]
    assert len(set(drawn_keys)) == len(drawn_keys)
    np.testing.assert_array_equal(keys(1, [9], 2), keys(1, [4, 9], 3)[1:, :2])
    assert keys(0, [], 2).shape == (0, 2, 2)


def run(net, memory, limits, sampling, positions=6):
    rows = len(limits)
    state, x_B1D = net.start("spell", memory, positions), net.first("spell", rows)
    keys_B2 = ops.convert_to_tensor(keys(sampling.seed, range(rows), 1)[:, 0])
    limits_B = ops.convert_to_tensor(limits, "int32")
    outputs = sample(net, "spell", state, x_B1D, limits_B, positions, keys_B2, sampling)
    return [ops.convert_to_numpy(tensor) for tensor in outputs]


def test_a_sample_has_the_probability_of_all_its_ids(chain_net, memory_of):
    net = chain_net({0: {A: 0.6, B: 0.4}, A: {1: 0.5, B: 0.5}, B: {1: 1.0}})
    ids_BT, log_probs_B = run(net, memory_of(*[0] * ROWS), [6] * ROWS, Sampling(seed=8))
    outputs = {(A, 1): 0.3, (A, B, 1): 0.3, (B, 1): 0.4}
    written = [tuple(int(id) for id in np.trim_zeros(ids_T, "b")) for ids_T in ids_BT]
    assert_follows(np.array([list(outputs).index(ids) for ids in written]), list(outputs.values()))
    np.testing.assert_allclose(np.exp(log_probs_B), [outputs[ids] for ids in written], rtol=1e-5)


@pytest.mark.parametrize("sampling", [Sampling(top_k=1), Sampling(top_p=1e-6), Sampling(temperature=1e-4)])
def test_sampling_without_a_choice_is_greedy_search(random_net, memory_of, sampling):
    net, _ = random_net(3, sources=4)
    memory, limits = memory_of(0, 1, 2, 3), [8, 8, 3, 0]
    limits_B = ops.convert_to_tensor(limits, "int32")
    ids_BT, log_probs_B = greedy_search(net, "spell", net.start("spell", memory, 8), net.first("spell", 4), limits_B, 8)
    drawn_BT, drawn_log_probs_B = run(net, memory, limits, sampling, positions=8)
    np.testing.assert_array_equal(drawn_BT, ids_BT)
    np.testing.assert_allclose(drawn_log_probs_B, log_probs_B, rtol=1e-5)


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(top_k=3, top_p=0.8), Sampling(temperature=2, top_p=0.7)])
def test_compiled_sampling_equals_sampling_without_compilation(random_net, memory_of, sampling):
    net, _ = random_net(5, sources=8)
    memory = memory_of(*range(8))
    program = for_each_shape(
        lambda state, x_B1D, limits_B, keys_B2: sample(net, "spell", state, x_B1D, limits_B, 6, keys_B2, sampling),
        net.variables,
    )
    keys_B2 = ops.convert_to_tensor(keys(sampling.seed, range(8), 1)[:, 0])
    limits_B = ops.convert_to_tensor([6] * 8, "int32")
    fast_BT, _ = program(net.start("spell", memory, 6), net.first("spell", 8), limits_B, keys_B2)
    ids_BT, _ = run(net, memory, [6] * 8, sampling)
    np.testing.assert_array_equal(ops.convert_to_numpy(fast_BT), ids_BT)


def test_non_finite_weights_end_the_sampling_loop(chain_net, memory_of):
    net = chain_net({0: {A: 0.6, B: 0.4}})
    net.table.assign(net.table * float("nan"))
    _, log_probs_B = run(net, memory_of(0), [6], Sampling(top_p=0.5))
    assert not np.any(np.isfinite(log_probs_B))


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"temperature": 0.0}, "temperature of sampling must be above 0. Received: 0.0"),
        ({"temperature": float("nan")}, "above 0"),
        ({"top_k": -1}, "0 stands for all"),
        ({"top_p": 0.0}, "top_p is a probability above 0"),
        ({"top_p": 1.5}, "at most 1. Received: 1.5"),
    ],
)
def test_sampling_options_out_of_range_are_refused(wrong, message):
    with pytest.raises(UserError, match=message):
        Sampling(**wrong)


def test_the_number_of_samples_is_not_limited_by_the_beam_size():
    assert DecodeOptions(n_best=7, sampling=Sampling()).n_best == 7
