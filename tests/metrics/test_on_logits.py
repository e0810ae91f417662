"""Teacher-forced metrics."""

import math

import numpy as np
import pytest

from t2t_mm.metrics.on_logits import METRICS


def sums(name, logits_BTV, labels_BT, real_BT):
    arrays = np.asarray(logits_BTV, np.float32), np.asarray(labels_BT, np.int32), np.asarray(real_BT, bool)
    return np.asarray(METRICS[name].sums(*arrays))


def figure(name, *arrays):
    return METRICS[name].finish(sums(name, *arrays).sum(axis=0))


# Two sequences of two targets among three symbols. The first has probabilities 1/2, 1/4, 1/4 and then even ones.
LN2 = math.log(2)
LOGITS_BTV = [[[LN2, 0, 0], [5, 5, 5]], [[0, 9, 0], [0, 0, 9]]]
LABELS_BT = [[0, 2], [1, 1]]
REAL_BT = [[True, True], [True, False]]


def test_neg_log_perplexity_sums_log_probabilities_of_real_targets():
    sums_BK = sums("neg_log_perplexity", LOGITS_BTV, LABELS_BT, REAL_BT)
    assert sums_BK[0] == pytest.approx([-LN2 - math.log(3), 2])
    assert sums_BK[1] == pytest.approx([-math.log(1 + 2 * math.exp(-9)), 1], abs=1e-6)


def test_neg_log_perplexity_is_a_mean_over_targets_not_over_sequences():
    expected = (-LN2 - math.log(3) - math.log(1 + 2 * math.exp(-9))) / 3
    assert figure("neg_log_perplexity", LOGITS_BTV, LABELS_BT, REAL_BT) == pytest.approx(expected)


def test_neg_log_perplexity_of_even_logits_is_minus_the_log_of_their_number():
    assert figure("neg_log_perplexity", np.zeros((3, 4, 8192)), np.ones((3, 4)), np.ones((3, 4))) == pytest.approx(
        -math.log(8192)
    )


def test_bits_per_character_are_the_log_to_base_2_of_each_characters_probability():
    # 1/2, 1/8, 1 and 1/4 for four characters in two sequences: 1 + 3 + 0 + 2 bits over 4 characters
    probability_BTV = np.array([[[0.5, 0.5, 0], [0.875, 0, 0.125]], [[1, 0, 0], [0.25, 0.25, 0.5]]]) + 1e-30
    arrays = np.log(probability_BTV), [[1, 2], [0, 0]], [[True, True], [True, True]]
    assert figure("bits_per_character", *arrays) == pytest.approx(1.5)
    nats = figure("neg_log_perplexity", *arrays)
    assert figure("bits_per_character", *arrays) == pytest.approx(-nats / LN2)


def test_neg_log_perplexity_of_large_logits_does_not_overflow():
    assert figure("neg_log_perplexity", [[[1e4, 0.0, 0.0]]], [[1]], [[True]]) == pytest.approx(-1e4)


def test_metrics_of_half_precision_logits_are_summed_in_float32():
    logits_BTV = np.zeros((1, 3000, 7), np.float16)
    arrays = logits_BTV, np.ones((1, 3000), np.int32), np.ones((1, 3000), bool)
    sums_BK = np.asarray(METRICS["neg_log_perplexity"].sums(*arrays))
    assert sums_BK.dtype == np.float32
    assert sums_BK[0] == pytest.approx([-3000 * math.log(7), 3000], rel=1e-5)


def test_accuracy_counts_targets_that_score_highest():
    np.testing.assert_array_equal(sums("accuracy", LOGITS_BTV, LABELS_BT, REAL_BT), [[1, 2], [1, 1]])
    assert figure("accuracy", LOGITS_BTV, LABELS_BT, REAL_BT) == pytest.approx(2 / 3)


def test_accuracy_per_sequence_requires_every_real_target_to_be_right():
    np.testing.assert_array_equal(sums("accuracy_per_sequence", LOGITS_BTV, LABELS_BT, REAL_BT), [[0, 1], [1, 1]])
    assert figure("accuracy_per_sequence", LOGITS_BTV, LABELS_BT, REAL_BT) == 0.5


def test_accuracy_top5_counts_targets_that_fewer_than_five_outscore():
    descending_BTV = np.tile(np.arange(10, 0, -1.0), (1, 10, 1))
    labels_BT = np.arange(10)[None]
    np.testing.assert_array_equal(sums("accuracy_top5", descending_BTV, labels_BT, np.ones((1, 10))), [[5, 10]])


def test_accuracy_top5_of_five_classes_is_always_right():
    assert (
        figure("accuracy_top5", np.random.default_rng(0).normal(size=(6, 1, 5)), np.ones((6, 1)), np.ones((6, 1))) == 1
    )


def test_the_first_of_seven_equal_logits_is_right_and_all_are_in_the_top5():
    equal_BTV, labels_BT, real_BT = np.zeros((7, 1, 7)), np.arange(7)[:, None], np.ones((7, 1))
    np.testing.assert_array_equal(sums("accuracy", equal_BTV, labels_BT, real_BT)[:, 0], [1, 0, 0, 0, 0, 0, 0])
    np.testing.assert_array_equal(sums("accuracy_top5", equal_BTV, labels_BT, real_BT)[:, 0], np.ones(7))


def test_nan_logits_are_never_in_the_top5():
    assert figure("accuracy_top5", np.full((1, 1, 10), np.nan), [[3]], [[True]]) == 0


@pytest.mark.parametrize("name", sorted(METRICS))
def test_padding_does_not_count_whatever_its_values(name):
    random = np.random.default_rng(1)
    logits_BTV, labels_BT = random.normal(size=(3, 4, 9)), random.integers(9, size=(3, 4))
    real_BT = np.array([[1, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]], bool)
    before = sums(name, logits_BTV, labels_BT, real_BT)
    np.testing.assert_array_equal(before[2], 0)
    labels_BT[~real_BT], logits_BTV[~real_BT] = 1_000_000, np.inf
    np.testing.assert_array_equal(sums(name, logits_BTV, labels_BT, real_BT), before)


@pytest.mark.parametrize("name", sorted(METRICS))
def test_sums_of_parts_add_up_to_the_sums_of_all_rows(name):
    random = np.random.default_rng(2)
    arrays = random.normal(size=(5, 4, 9)), random.integers(9, size=(5, 4)), random.random((5, 4)) < 0.7
    parts = [sums(name, *(array[rows] for array in arrays)) for rows in (slice(0, 2), slice(2, 5))]
    np.testing.assert_allclose(np.concatenate(parts), sums(name, *arrays), rtol=1e-6)


@pytest.mark.parametrize("name", sorted(METRICS))
def test_metrics_of_classes_use_sequences_of_length_one(name):
    arrays = [[[0.0, 9.0]], [[9.0, 0.0]]], [[1], [1]], [[True], [True]]
    nan = pytest.approx(float("nan"), nan_ok=True)
    expected = {
        "neg_log_perplexity": pytest.approx(-4.5, abs=1e-3),
        "bits_per_character": pytest.approx(4.5 / LN2, abs=1e-3),
        "accuracy_top5": 1.0,
        "accuracy_of_rest": nan,
    }
    assert figure(name, *arrays) == expected.get(name, 0.5)


@pytest.mark.parametrize("name", sorted(METRICS))
def test_the_figure_of_no_examples_is_nan(name):
    assert math.isnan(METRICS[name].finish(np.zeros(2)))


def test_accuracy_of_the_first_target_and_of_the_rest_are_separate():
    # the first of one example is right and of the other wrong; of the rest one in three real ones is right
    logits = np.zeros((2, 3, 2), "float32")
    logits[:, :, 1] = 9.0
    labels, real = [[1, 1, 0], [0, 0, 1]], [[True, True, True], [True, True, False]]
    assert figure("accuracy_of_first", logits, labels, real) == 0.5
    assert figure("accuracy_of_rest", logits, labels, real) == pytest.approx(1 / 3)
