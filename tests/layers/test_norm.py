"""Layer normalization."""

import keras
import numpy as np
import pytest
from keras import ops

from t2t_mm.layers.norm import LayerNorm, normalise


@pytest.fixture
def norm():
    layer = LayerNorm(name="norm")
    layer.build(4)
    return layer


def test_layer_norm_values_by_hand(norm):
    norm.scale_D.assign([1, 2, 1, 1])
    norm.shift_D.assign([0, 0, 10, 0])
    # mean 2, deviations -1 1 -3 3, variance 5
    out = ops.convert_to_numpy(norm(ops.convert_to_tensor([[1.0, 3.0, -1.0, 5.0]])))
    np.testing.assert_allclose(out, [[-(5**-0.5), 2 * 5**-0.5, 10 - 3 * 5**-0.5, 3 * 5**-0.5]], rtol=1e-5)


def test_equal_channels_become_the_shift_and_not_nan(norm):
    norm.shift_D.assign([1, 2, 3, 4])
    np.testing.assert_array_equal(ops.convert_to_numpy(norm(ops.full((2, 4), 7.0))), [[1, 2, 3, 4]] * 2)


def test_half_precision_input_is_normalised_in_float32_and_returned_in_half(norm):
    x = ops.cast(ops.convert_to_tensor([[1000.0, 1001.0, 1002.0, 1003.0]]), "bfloat16")
    out = norm(x)
    assert keras.backend.standardize_dtype(out.dtype) == "bfloat16"
    assert abs(float(ops.mean(ops.cast(out, "float32")))) < 0.02


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="differentiates with TensorFlow")
def test_layer_norm_gradients_are_those_of_the_plain_formula():
    import tensorflow as tf

    rng = np.random.default_rng(0)
    x, scale, shift, upstream = (
        tf.constant(rng.normal(size=shape), "float32") for shape in ((2, 3, 5), (5,), (5,), (2, 3, 5))
    )

    def plain(x, scale, shift):
        mean = tf.reduce_mean(x, -1, keepdims=True)
        variance = tf.reduce_mean((x - mean) ** 2, -1, keepdims=True)
        return (x - mean) / tf.sqrt(variance + 1e-6) * scale + shift

    results = []
    for function in (normalise, plain):
        with tf.GradientTape() as tape:
            tape.watch([x, scale, shift])
            out = function(x, scale, shift)
        results.append([out, *tape.gradient(out, [x, scale, shift], upstream)])
    for mine, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="differentiates with TensorFlow")
def test_scale_and_shift_have_gradients_in_eager_mode_too(norm):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        out = norm(ops.convert_to_tensor([[1.0, 3.0, -1.0, 5.0]]))
    scale, shift = tape.gradient(out, [norm.scale_D.value, norm.shift_D.value])
    np.testing.assert_allclose(scale, np.array([-1, 1, -3, 3]) * 5**-0.5, rtol=1e-5)
    np.testing.assert_array_equal(shift, [1, 1, 1, 1])
