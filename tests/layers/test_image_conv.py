"""Convolutions and max pooling over images, against loops in NumPy."""

import keras
import numpy as np
import pytest
from building_blocks import drawn
from keras import ops

from t2t_mm.layers.image_conv import ConvRes, ImageConvStep, max_pool


def norm(x):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6)


def values(result):
    return ops.convert_to_numpy(result)


def windows(x_BHWC, kernel, stride, outside):
    """Yield (row, column, window [B, kernel, kernel, C]) of each output place, with TensorFlow's SAME padding."""
    size = x_BHWC.shape[1:3]
    pads = [max((-(-n // stride) - 1) * stride + kernel - n, 0) for n in size]
    fill = [(0, 0), *((pad // 2, pad - pad // 2) for pad in pads), (0, 0)]
    padded = np.pad(x_BHWC, fill, constant_values=outside)
    for row in range(-(-size[0] // stride)):
        for column in range(-(-size[1] // stride)):
            top, left = row * stride, column * stride
            yield row, column, padded[:, top : top + kernel, left : left + kernel]


def convolved(x_BHWC, weight_of_window, stride=1):
    height, width = (-(-n // stride) for n in x_BHWC.shape[1:3])
    out = None
    for row, column, window in windows(x_BHWC, 3, stride, 0.0):
        value_BF = weight_of_window(window)
        out = np.zeros((len(x_BHWC), height, width, value_BF.shape[-1])) if out is None else out
        out[:, row, column] = value_BF
    return out


@pytest.mark.parametrize("side", [6, 7])
def test_an_ordinary_image_step_without_relu_is_a_convolution_then_the_norm(side):
    step = ImageConvStep(4, 3, stride=2, separable=False, relu=False, name="step")
    step.build(3)
    x_BHWC = drawn(2, side, side + 1, 3)
    kernel = step.taps.numpy()
    expected = norm(convolved(x_BHWC, lambda window: np.einsum("bijc,ijcf->bf", window, kernel), stride=2))
    np.testing.assert_allclose(values(step(ops.convert_to_tensor(x_BHWC))), expected, atol=1e-4)


def test_a_separable_image_step_is_relu_then_depthwise_then_pointwise_then_the_norm():
    step = ImageConvStep(4, 3, name="step")
    step.build(3)
    x_BHWC = drawn(2, 5, 4, 3)
    taps, pointwise = step.taps.numpy()[..., 0], step.pointwise_CF.numpy()
    depthwise = convolved(np.maximum(x_BHWC, 0), lambda window: np.einsum("bijc,ijc->bc", window, taps))
    np.testing.assert_allclose(values(step(ops.convert_to_tensor(x_BHWC))), norm(depthwise @ pointwise), atol=1e-4)


@pytest.mark.parametrize("side", [4, 5])
def test_a_one_by_one_step_of_stride_2_reads_every_other_pixel(side):
    step = ImageConvStep(4, 1, stride=2, name="step")
    step.build(3)
    x_BHWC = drawn(2, side, side, 3)
    expected = norm(np.maximum(x_BHWC, 0)[:, ::2, ::2] @ step.pointwise_CF.numpy())
    np.testing.assert_allclose(values(step(ops.convert_to_tensor(x_BHWC))), expected, atol=1e-4)


def test_max_pooling_takes_the_maximum_of_each_window_and_ignores_the_outside():
    x_BHWC = -1 - np.arange(16, dtype="float32").reshape(1, 4, 4, 1)  # all negative: a zero outside would win
    np.testing.assert_array_equal(values(max_pool(ops.convert_to_tensor(x_BHWC)))[0, ..., 0], [[-1, -3], [-9, -11]])
    x_BHWC = drawn(2, 7, 6, 3) - 5
    expected = np.zeros((2, 4, 3, 3))
    for row, column, window in windows(x_BHWC, 3, 2, -np.inf):
        expected[:, row, column] = window.max(axis=(1, 2))
    np.testing.assert_allclose(values(max_pool(ops.convert_to_tensor(x_BHWC))), expected, rtol=1e-6)


@pytest.mark.parametrize(("side", "half"), [(8, 4), (9, 5), (1, 1)])
def test_a_residual_block_adds_the_shortcut_to_the_pool_and_halves_each_side(side, half, scrambled):
    block = ConvRes(6, name="res")
    block.build(3)
    scrambled(block)
    x_BHWC = ops.convert_to_tensor(drawn(2, side, side, 3))
    out = values(block(x_BHWC))
    assert out.shape == (2, half, half, 6)
    expected = values(max_pool(block.second(block.first(x_BHWC)))) + values(block.shortcut(x_BHWC))
    np.testing.assert_allclose(out, expected, atol=1e-5)


def test_depthwise_taps_start_so_that_a_channel_keeps_its_variance():
    keras.utils.set_random_seed(0)
    step = ImageConvStep(8, 3, name="step")
    step.build(3000)
    taps = step.taps.numpy()
    assert abs(taps).max() == pytest.approx((3 / 9) ** 0.5, rel=0.01)
    assert taps.std() == pytest.approx(1 / 3, rel=0.02)
