"""Batch normalisation without padding, with running statistics for each problem."""

import keras
import numpy as np
import pytest
from keras import ops

from t2t_mm.layers.batch_norm import BatchNorm, moments
from t2t_mm.layers.forward import Forward, Noise

X_BLD = np.array([[[1.0, 10.0], [3.0, 10.0], [99.0, -99.0]], [[5.0, 10.0], [-77.0, 55.0], [0.0, 7.0]]], "float32")
REAL_BL = np.array([[True, True, False], [True, False, False]])  # 1, 3, 5: mean 3, variance 8/3; 10, 10, 10


@pytest.fixture
def norm():
    layer = BatchNorm(name="norm")
    layer.build(2, ("digits", "captions"))
    return layer


def forward_of(problem, training):
    forward = Forward(Noise(np.uint32(0)) if training else None)
    forward.problem = problem
    return forward


def assign_moved(norm, forward):
    """Assign the values of `forward.moved`, as a training step does."""
    for weight in norm.non_trainable_variables:
        if weight.path in forward.moved:
            weight.assign(forward.moved[weight.path])


def test_moments_are_those_of_real_positions():
    mean_D, variance_D, count = moments(ops.convert_to_tensor(X_BLD), ops.convert_to_tensor(REAL_BL))
    np.testing.assert_allclose(ops.convert_to_numpy(mean_D), [3, 10])
    np.testing.assert_allclose(ops.convert_to_numpy(variance_D), [8 / 3, 0], atol=1e-6)
    assert float(count) == 3


def test_training_uses_the_statistics_of_the_batch(norm):
    norm.scale_D.assign([2, 1])
    norm.shift_D.assign([0, 7])
    out_BLD = ops.convert_to_numpy(norm(X_BLD, REAL_BL, forward_of("digits", training=True)))
    deviation = np.sqrt(8 / 3 + 1e-3)
    np.testing.assert_allclose(out_BLD[0, :2], [[-4 / deviation, 7], [0, 7]], atol=1e-5)
    np.testing.assert_allclose(out_BLD[1, 0], [4 / deviation, 7], atol=1e-5)


def test_training_output_is_that_of_keras_batch_normalisation_with_a_mask(norm):
    theirs = keras.layers.BatchNormalization(epsilon=1e-3)
    x_BLD = np.random.default_rng(0).normal(size=(3, 4, 2)).astype("float32")
    real_BL = np.arange(4) < np.array([[4], [1], [2]])
    out_BLD = ops.convert_to_numpy(norm(x_BLD, real_BL, forward_of("digits", training=True)))
    expected_BLD = ops.convert_to_numpy(theirs(x_BLD, training=True, mask=ops.convert_to_tensor(real_BL)))
    np.testing.assert_allclose(out_BLD[real_BL], expected_BLD[real_BL], atol=1e-5)


def test_running_statistics_are_the_mean_over_the_batches_of_their_own_problem(norm):
    for shift in (0.0, 4.0):
        forward = forward_of("digits", training=True)
        norm(X_BLD + np.float32(shift), REAL_BL, forward)
        assign_moved(norm, forward)
    running = norm.running["digits"]
    np.testing.assert_allclose(running.mean_D.numpy(), [5, 12], rtol=1e-6)
    np.testing.assert_allclose(running.variance_D.numpy(), [8 / 3, 0], atol=1e-5)
    assert running.batches.numpy() == 2
    out_BLD = ops.convert_to_numpy(norm(X_BLD, REAL_BL, forward_of("digits", training=False)))
    assert out_BLD[0, 0, 0] == pytest.approx((1 - 5) / np.sqrt(8 / 3 + 1e-3), rel=1e-5)
    out_BLD = ops.convert_to_numpy(norm(X_BLD, REAL_BL, forward_of("captions", training=False)))
    np.testing.assert_allclose(out_BLD, X_BLD / np.sqrt(1.001), rtol=1e-5)  # nothing seen yet


def test_running_statistics_after_a_hundred_batches_move_by_a_hundredth(norm):
    running = norm.running["digits"]
    running.batches.assign(500)
    forward = forward_of("digits", training=True)
    norm(X_BLD, REAL_BL, forward)
    np.testing.assert_allclose(ops.convert_to_numpy(forward.moved[running.mean_D.path]), [0.03, 0.1], rtol=1e-5)
    assert float(forward.moved[running.batches.path]) == 501


def test_running_statistics_move_in_training_only_and_for_the_problem_of_the_batch_only(norm):
    forward = forward_of("digits", training=False)
    norm(X_BLD, REAL_BL, forward)
    assert forward.moved == {}
    forward = forward_of("digits", training=True)
    norm(X_BLD, REAL_BL, forward)
    assert sorted(forward.moved) == [f"norm/digits/{name}" for name in ("batches", "mean", "variance")]


def test_a_batch_of_padding_only_moves_no_statistics_and_is_finite(norm):
    forward = forward_of("digits", training=True)
    out_BLD = ops.convert_to_numpy(norm(X_BLD, np.zeros_like(REAL_BL), forward))
    assert np.isfinite(out_BLD).all()
    assign_moved(norm, forward)
    assert norm.running["digits"].batches.numpy() == 0
    np.testing.assert_array_equal(norm.running["digits"].variance_D.numpy(), [1, 1])


def test_noise_in_the_padding_changes_no_output_and_no_statistics(norm):
    x_BLD = np.concatenate([X_BLD, 1e3 * np.ones((2, 5, 2), "float32")], axis=1)
    real_BL = np.concatenate([REAL_BL, np.zeros((2, 5), bool)], axis=1)
    one, other = forward_of("digits", training=True), forward_of("digits", training=True)
    mine_BLD, theirs_BLD = norm(X_BLD, REAL_BL, one), norm(x_BLD, real_BL, other)
    mine_BLD, theirs_BLD = ops.convert_to_numpy(mine_BLD), ops.convert_to_numpy(theirs_BLD)[:, :3]
    np.testing.assert_allclose(theirs_BLD[REAL_BL], mine_BLD[REAL_BL], atol=1e-5)
    for path, value in one.moved.items():
        np.testing.assert_allclose(ops.convert_to_numpy(value), ops.convert_to_numpy(other.moved[path]), atol=1e-5)


def test_half_precision_input_is_computed_in_float32_and_returned_in_half(norm):
    out_BLD = norm(ops.cast(X_BLD + 1000, "bfloat16"), REAL_BL, forward_of("digits", training=True))
    assert keras.backend.standardize_dtype(out_BLD.dtype) == "bfloat16"


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="differentiates with TensorFlow")
def test_the_gradient_flows_through_the_batch_statistics_and_not_into_the_running_ones(norm):
    import tensorflow as tf

    x_BLD = tf.constant(X_BLD)
    with tf.GradientTape() as tape:
        tape.watch(x_BLD)
        out_BLD = norm(x_BLD, REAL_BL, forward_of("digits", training=True))
        # The sum of normalised values is 0 whatever the input, so only their weighted sum has a gradient.
        total = tf.reduce_sum(tf.boolean_mask(out_BLD, REAL_BL))
    np.testing.assert_allclose(tape.gradient(total, x_BLD), np.zeros_like(X_BLD), atol=1e-5)
    assert [weight.path for weight in norm.trainable_variables] == ["norm/scale", "norm/shift"]
