import numpy as np
import pytest

from t2t_mm.evaluation.baselines import BaselineComparison, compare_with_baselines, partners


@pytest.mark.parametrize("count", [2, 3, 10, 1000])
def test_every_input_goes_to_one_other_example(count):
    partner_N = partners(count, seed=3, key="parsing")
    np.testing.assert_array_equal(np.sort(partner_N), np.arange(count))
    assert not np.any(partner_N == np.arange(count))


def test_a_single_example_keeps_its_input_and_no_example_is_no_error():
    assert partners(1, seed=3, key="a").tolist() == [0]
    assert partners(0, seed=3, key="a").tolist() == []


def test_partners_depend_on_seed_and_key_alone():
    assert partners(50, 3, "a").tolist() == partners(50, 3, "a").tolist()
    assert partners(50, 3, "a").tolist() != partners(50, 4, "a").tolist()
    assert partners(50, 3, "a").tolist() != partners(50, 3, "b").tolist()


def test_neighbours_are_not_paired_more_than_others():
    partner_N = partners(1000, 0, "sorted by class")
    near = np.abs(partner_N - np.arange(1000)) <= 5
    assert near.mean() < 0.05  # 1 % by chance; a roll by one would make it 100 %


def test_figures_are_nats_per_token_over_all_examples():
    standing = compare_with_baselines(
        np.array([1.0, 5.0]), np.array([1, 3]), np.array([2.0, 8.0]), unigram_nats=4.0, seed=0
    )
    assert (standing.nats, standing.permuted_nats, standing.unigram_nats) == (1.5, 2.5, 4.0)


def test_the_interval_is_a_point_when_every_token_of_every_example_gains_the_same():
    tokens_N = np.array([1, 2, 3, 10])
    standing = compare_with_baselines(2.0 * tokens_N, tokens_N, 2.5 * tokens_N, unigram_nats=3.0, seed=0)
    assert (standing.gain_low, standing.gain_high) == pytest.approx((0.5, 0.5))
    assert standing.learnt


def test_the_interval_is_that_of_the_normal_approximation_for_many_examples():
    gain_N = np.random.default_rng(0).normal(0.3, 1.0, size=2000)
    tokens_N = np.ones(2000)
    standing = compare_with_baselines(np.full(2000, 2.0), tokens_N, 2.0 + gain_N, unigram_nats=3.0, seed=1)
    half = 1.96 * gain_N.std() / 2000**0.5
    assert standing.gain_low == pytest.approx(gain_N.mean() - half, abs=0.006)
    assert standing.gain_high == pytest.approx(gain_N.mean() + half, abs=0.006)


def test_the_comparison_is_paired():
    # Losses differ widely between examples, gains hardly: unpaired, the interval would be wide.
    nats_N = np.random.default_rng(0).uniform(0, 100, size=200)
    standing = compare_with_baselines(nats_N, np.ones(200), nats_N + 0.1, unigram_nats=1000.0, seed=0)
    assert standing.gain_low == pytest.approx(0.1)


def test_a_gain_that_is_not_significant_is_not_called_learnt():
    gain_N = np.array([3.0, -2.0, 1.0, -1.5, 2.0, -1.0])  # 0.25 on average
    standing = compare_with_baselines(np.full(6, 2.0), np.ones(6), 2.0 + gain_N, unigram_nats=3.0, seed=0)
    assert standing.permuted_nats == 2.25
    assert standing.gain_low is not None and standing.gain_low < 0
    assert not standing.learnt


def test_a_model_worse_than_the_unigram_distribution_has_not_learnt_whatever_its_inputs_are_worth():
    tokens_N = np.ones(5)
    assert not compare_with_baselines(4.0 * tokens_N, tokens_N, 9.0 * tokens_N, unigram_nats=3.0, seed=0).learnt


def test_a_model_that_ignores_its_input_has_not_learnt_from_it():
    tokens_N = np.ones(5)
    assert not compare_with_baselines(2.0 * tokens_N, tokens_N, 2.0 * tokens_N, unigram_nats=3.0, seed=0).learnt


def test_without_inputs_the_unigram_distribution_is_the_only_baseline():
    assert compare_with_baselines(np.array([2.0]), np.array([1]), None, unigram_nats=3.0, seed=0) == BaselineComparison(
        2.0, 3.0
    )
    assert BaselineComparison(2.0, 3.0).learnt
    assert not BaselineComparison(3.0, 3.0).learnt


def test_a_non_finite_loss_is_not_learnt():
    tokens_N = np.ones(3)
    assert not compare_with_baselines(np.full(3, np.nan), tokens_N, tokens_N, unigram_nats=3.0, seed=0).learnt


def test_the_interval_repeats_with_its_seed():
    random = np.random.default_rng(0)
    arrays = random.normal(size=30), np.ones(30), random.normal(size=30)
    assert compare_with_baselines(*arrays, 1.0, seed=5) == compare_with_baselines(*arrays, 1.0, seed=5)
    assert compare_with_baselines(*arrays, 1.0, seed=5) != compare_with_baselines(*arrays, 1.0, seed=6)
