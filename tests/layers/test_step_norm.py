"""Batch normalisation by step: batch statistics, population statistics, and positions beyond the last step."""

import numpy as np
import pytest
from keras import ops

from t2t_mm.layers.forward import Forward, Noise
from t2t_mm.layers.step_norm import Population, StepNorm, shares, statistics

RATE = 0.25


def forward_of(training, problem="sums"):
    forward = Forward(Noise(np.uint32(0)) if training else None)
    forward.problem = problem
    return forward


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def assign_moved(layer, forward):
    """Assign the values of `forward.moved`, as a training step does."""
    by_path = {weight.path: weight for weight in layer.weights}
    for path, value in forward.moved.items():
        by_path[path].assign(value)


@pytest.fixture
def population():
    made = Population(3, RATE, name="sums")
    made.build(2)
    return made


def moved(population, mean, variance, count):
    forward = forward_of(True)
    arrays = (np.array(x, "float32") for x in (mean, variance, count))
    population.update(*(ops.convert_to_tensor(x) for x in arrays), forward)
    assign_moved(population, forward)


@pytest.fixture
def norm():
    made = StepNorm(gamma=0.1, steps=3, rate=RATE, shifted=True, name="norm")
    made.build(1, ("sums", "words"))
    return made


def test_batch_statistics_are_those_of_the_real_rows():
    x_BC = ops.convert_to_tensor(np.array([[1, 10], [3, 30], [1000, 1000]], "float32"))
    mean_1C, variance_1C = statistics(x_BC, shares(np.array([True, True, False])))
    np.testing.assert_allclose(numpy(mean_1C), [[2, 20]])
    np.testing.assert_allclose(numpy(variance_1C), [[1, 100]])


def test_a_problem_that_was_never_trained_has_mean_0_and_variance_1(population):
    mean_KC, variance_KC = population.at(ops.arange(2))
    np.testing.assert_array_equal(numpy(mean_KC), np.zeros((2, 2)))
    np.testing.assert_array_equal(numpy(variance_KC), np.ones((2, 2)))


def test_population_statistics_after_the_first_batch_are_its_own(population):
    moved(population, [[4, 8]], [[2, 3]], [10])
    mean_KC, variance_KC = population.at(ops.arange(1))
    np.testing.assert_allclose(numpy(mean_KC), [[4, 8]])
    np.testing.assert_allclose(numpy(variance_KC), [[2, 3]])


def test_batches_are_weighted_by_their_rows_and_their_age(population):
    moved(population, [[4, 8]], [[2, 3]], [10])
    moved(population, [[8, 8]], [[2, 7]], [30])
    # 0.75 * 10 = 7.5 of the first and 30 of the second: 0.2 and 0.8 of the total
    mean_KC, variance_KC = population.at(ops.arange(1))
    np.testing.assert_allclose(numpy(mean_KC), [[7.2, 8]], rtol=1e-6)
    np.testing.assert_allclose(numpy(variance_KC), [[2, 6.2]], rtol=1e-6)


def test_a_channel_that_was_constant_has_infinite_variance(population):
    moved(population, [[4, 8]], [[1e-12, 1e-6]], [10])
    mean_KC, variance_KC = population.at(ops.arange(1))
    np.testing.assert_allclose(numpy(mean_KC), [[4, 8]])
    np.testing.assert_allclose(numpy(variance_KC), [[np.inf, 1e-6]], rtol=1e-5)


def test_a_step_that_no_row_reached_keeps_its_statistics(population):
    moved(population, [[4, 8], [1, 2]], [[2, 3], [5, 6]], [10, 10])
    before = {weight.name: weight.numpy() for weight in population.weights}
    moved(population, [[0, 0], [0, 0]], [[1, 1], [9, 9]], [10, 0])
    after = {weight.name: weight.numpy() for weight in population.weights}
    for name in before:
        assert (before[name][0] != after[name][0]).any()
        np.testing.assert_array_equal(before[name][1:], after[name][1:])


def test_positions_after_the_last_training_step_use_its_statistics(population):
    moved(population, [[4, 8], [1, 2]], [[2, 3], [5, 6]], [10, 1])
    mean_KC, variance_KC = population.at(ops.convert_to_tensor([0, 1, 2, 50]))
    np.testing.assert_allclose(numpy(mean_KC), [[4, 8], [1, 2], [1, 2], [1, 2]])
    np.testing.assert_allclose(numpy(variance_KC), [[2, 3], [5, 6], [5, 6], [5, 6]])


def test_steps_after_those_that_are_kept_are_ignored(population):
    moved(population, [[1, 1]] * 5, [[1, 1]] * 5, [2] * 5)
    assert population.mean.shape == (3, 2) and (population.weight.numpy() > 0).all()


X_LBC = np.array([[[1.0], [3.0], [50.0]], [[10.0], [-9.0], [50.0]]], "float32")
REAL_LB = np.array([[True, True, False], [True, False, False]])


def test_each_step_in_training_is_normalised_by_its_own_real_rows(norm):
    norm.shift_C.assign([5.0])
    out_LBC = numpy(
        norm.normalise_per_step(ops.convert_to_tensor(X_LBC), ops.convert_to_tensor(REAL_LB), forward_of(True))
    )
    near = 0.1 / np.sqrt(1 + 1e-5)  # mean 2, variance 1
    np.testing.assert_allclose(out_LBC[0, :2, 0], [5 - near, 5 + near], rtol=1e-6)
    assert out_LBC[1, 0, 0] == 5.0  # a row by itself


def test_inference_is_normalised_by_the_population_of_its_problem_only(norm):
    forward = forward_of(True)
    norm.normalise_per_step(ops.convert_to_tensor(X_LBC), ops.convert_to_tensor(REAL_LB), forward)
    assert {path.split("/")[-2] for path in forward.moved} == {"sums"}
    assign_moved(norm, forward)
    three_LBC = ops.convert_to_tensor(np.full((3, 1, 1), 12.0, "float32"))
    real_LB = ops.ones((3, 1), "bool")
    out_L = numpy(norm.normalise_per_step(three_LBC, real_LB, forward_of(False)))[:, 0, 0]
    np.testing.assert_allclose(out_L[0], 0.1 * (12 - 2) / np.sqrt(1 + 1e-5), rtol=1e-5)
    np.testing.assert_array_equal(out_L[1:], 0)  # a row by itself was always zero
    out_L = numpy(norm.normalise_per_step(three_LBC, real_LB, forward_of(False, "words")))[:, 0, 0]
    np.testing.assert_allclose(out_L, 0.1 * 12 / np.sqrt(1 + 1e-5), rtol=1e-5)


def test_normalise_all_steps_uses_one_mean_and_one_variance(norm):
    forward = forward_of(True)
    out_LBC = numpy(norm.normalise_all_steps(ops.convert_to_tensor(X_LBC), ops.convert_to_tensor(REAL_LB), forward))
    real_N = X_LBC[REAL_LB][:, 0]  # 1, 3, 10
    expected_N = 0.1 * (real_N - real_N.mean()) / np.sqrt(real_N.var() + 1e-5)
    np.testing.assert_allclose(out_LBC[REAL_LB][:, 0], expected_N, rtol=1e-5)
    assign_moved(norm, forward)
    assert norm.populations["sums"].mean.numpy()[0, 0] == pytest.approx(real_N.mean())
    assert norm.populations["sums"].weight.numpy()[0] == pytest.approx(RATE * 3)
