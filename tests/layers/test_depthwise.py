"""Depthwise convolution against loops in NumPy."""

import keras
import numpy as np
import pytest
from keras import ops

from t2t_mm.layers.depthwise import depthwise_conv1d, shift_and_add

SHAPES = pytest.mark.parametrize(
    ("length", "taps", "dilation"),
    [
        (1, 3, 1),
        (2, 3, 1),
        (9, 3, 1),
        (13, 15, 1),
        (1, 15, 8),
        (7, 15, 8),
        (8, 3, 8),
        (41, 15, 8),
        (64, 3, 8),
        (6, 5, 4),
    ],
)


def by_loops(x_BLD, taps_KD, dilation, causal):
    out_BLD = np.zeros_like(x_BLD)
    taps, length = len(taps_KD), x_BLD.shape[1]
    for t in range(length):
        for j in range(taps):
            source = t + (j - taps + 1) * dilation if causal else t + (j - taps // 2) * dilation
            if 0 <= source < length:
                out_BLD[:, t] += taps_KD[j] * x_BLD[:, source]
    return out_BLD


def drawn(length, taps):
    rng = np.random.default_rng(length)
    return rng.normal(size=(2, length, 3)).astype("float32"), rng.normal(size=(taps, 3)).astype("float32")


@SHAPES
@pytest.mark.parametrize("causal", [False, True])
def test_both_formulations_compute_the_sum_of_the_definition(length, taps, dilation, causal):
    x_BLD, taps_KD = drawn(length, taps)
    expected_BLD = by_loops(x_BLD, taps_KD, dilation, causal)
    out_BLD = depthwise_conv1d(ops.convert_to_tensor(x_BLD), taps_KD, dilation=dilation, causal=causal)
    np.testing.assert_allclose(ops.convert_to_numpy(out_BLD), expected_BLD, atol=1e-5)
    reach = (taps - 1) * dilation
    before = reach if causal else reach // 2
    by_shifts_BLD = shift_and_add(
        ops.convert_to_tensor(x_BLD), ops.convert_to_tensor(taps_KD), dilation, before, reach - before
    )
    np.testing.assert_allclose(ops.convert_to_numpy(by_shifts_BLD), expected_BLD, atol=1e-5)


@SHAPES
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="differentiates with TensorFlow")
def test_both_formulations_have_the_same_gradients(length, taps, dilation, causal):
    import tensorflow as tf

    x_BLD, taps_KD = map(tf.constant, drawn(length, taps))
    upstream_BLD = tf.constant(np.random.default_rng(1).normal(size=x_BLD.shape), "float32")
    reach = (taps - 1) * dilation
    before = reach if causal else reach // 2
    ways = (
        lambda x, taps: depthwise_conv1d(x, taps, dilation=dilation, causal=causal),
        lambda x, taps: shift_and_add(x, taps, dilation, before, reach - before),
    )
    gradients = []
    for way in ways:
        with tf.GradientTape() as tape:
            tape.watch([x_BLD, taps_KD])
            out_BLD = way(x_BLD, taps_KD)
        gradients.append(tape.gradient(out_BLD, [x_BLD, taps_KD], upstream_BLD))
    for native, by_shifts in zip(*gradients, strict=True):
        np.testing.assert_allclose(native, by_shifts, atol=1e-4)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="traces with TensorFlow")
def test_one_trace_of_the_depthwise_convolution_serves_all_lengths():
    import tensorflow as tf

    taps_KD = drawn(1, 15)[1]

    @tf.function(input_signature=[tf.TensorSpec([None, None, 3])])
    def traced(x_BLD):
        out_BLD = depthwise_conv1d(x_BLD, taps_KD, dilation=8, causal=True)
        assert out_BLD.shape.as_list() == [None, None, 3]
        return out_BLD

    for length in (1, 8, 19):
        x_BLD = drawn(length, 15)[0]
        np.testing.assert_allclose(traced(x_BLD), by_loops(x_BLD, taps_KD, 8, True), atol=1e-5)
