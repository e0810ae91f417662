"""The convolution step and the ConvBlock."""

import keras
import numpy as np
import pytest
from building_blocks import drawn
from keras import ops

from t2t_mm.layers.conv import ConvBlock, ConvStep
from t2t_mm.layers.forward import Forward, Noise

X_BLD = np.array([[[1, -2], [3, 4], [-5, 6]]], "float32")  # after ReLU: 1 0, 3 4, 0 6
TAPS_KD = [[1, 10], [2, 20], [3, 30]]


def norm(x):
    """Layer normalisation with scale 1 and shift 0."""
    x = np.asarray(x, "float64")
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6)


def values(result):
    return ops.convert_to_numpy(result)


@pytest.mark.parametrize(
    ("options", "mixed_LD"),
    [
        ({}, [[2 * 1 + 3 * 3, 30 * 4], [1 * 1 + 2 * 3, 20 * 4 + 30 * 6], [1 * 3, 10 * 4 + 20 * 6]]),
        ({"causal": True}, [[3 * 1, 0], [2 * 1 + 3 * 3, 30 * 4], [1 * 1 + 2 * 3, 20 * 4 + 30 * 6]]),
        ({"dilation": 2}, [[2 * 1, 30 * 6], [2 * 3, 20 * 4], [1 * 1, 20 * 6]]),
        ({"dilation": 2, "causal": True}, [[3 * 1, 0], [3 * 3, 30 * 4], [2 * 1, 30 * 6]]),
    ],
)
def test_a_conv_step_is_relu_then_depthwise_then_pointwise_then_norm(options, mixed_LD):
    step = ConvStep(3, 3, **options, name="step")
    step.build(2)
    step.taps_KD.assign(TAPS_KD)
    step.pointwise_DF.assign([[1, 0, 1], [0, 1, 1]])
    step.norm.shift_D.assign([0, 0, 5])
    expected_LF = norm([[a, b, a + b] for a, b in mixed_LD]) + [0, 0, 5]
    np.testing.assert_allclose(values(step(ops.convert_to_tensor(X_BLD)))[0], expected_LF, atol=1e-5)


def test_a_conv_block_adds_its_input_after_steps_2_and_4(scrambled):
    block = ConvBlock(dropout=0.0, name="block")
    block.build(4)
    scrambled(block)
    one, two, three, four = block.steps
    x_BLD = ops.convert_to_tensor(drawn(2, 9, 4))
    real_BL = np.ones((2, 9), bool)
    hidden2_BLD = x_BLD + two(one(x_BLD))
    expected_BLD = x_BLD + four(three(hidden2_BLD))
    np.testing.assert_allclose(values(block(x_BLD, real_BL, Forward())), values(expected_BLD), atol=1e-6)
    for step, shift in ((two, 1.0), (four, 3.0)):  # steps whose output is a constant
        step.norm.scale_D.assign([0] * 4)
        step.norm.shift_D.assign([shift] * 4)
    np.testing.assert_allclose(values(block(x_BLD, real_BL, Forward())), values(x_BLD) + 3.0, atol=1e-6)


def test_the_steps_of_a_conv_block_have_the_papers_kernels_and_dilation():
    block = ConvBlock(dropout=0.0, name="block")
    block.build(4)
    assert [(step.taps, step.dilation) for step in block.steps] == [(3, 1), (3, 1), (15, 1), (15, 8)]


@pytest.mark.parametrize(("causal", "behind", "ahead"), [(True, 2 + 2 + 14 + 112, 0), (False, 65, 65)])
def test_the_receptive_field_of_a_conv_block_is_the_span_of_its_kernels(causal, behind, ahead, scrambled):
    block = ConvBlock(dropout=0.0, causal=causal, name="block")
    block.build(16)
    scrambled(block)
    x_BLD = drawn(1, 300, 16)
    changed_BLD = x_BLD.copy()
    changed_BLD[0, 140] = 3 * drawn(16, seed=1)
    real_BL = np.ones((1, 300), bool)
    before, after = (values(block(ops.convert_to_tensor(x), real_BL, Forward()))[0] for x in (x_BLD, changed_BLD))
    changed = np.flatnonzero(abs(after - before).max(axis=-1) > 0)
    assert (changed.min(), changed.max()) == (140 - ahead, 140 + behind)


@pytest.mark.parametrize("more", [1, 5, 200])
def test_padding_after_a_sequence_changes_no_output_whatever_its_values(more, scrambled):
    x_BLD = drawn(2, 7, 4)
    padded_BLD = np.concatenate([x_BLD, 100 * drawn(2, more, 4, seed=1)], axis=1)
    real_BL = np.arange(7 + more)[None] < [[7], [4]]
    for causal in (False, True):
        block = ConvBlock(dropout=0.0, causal=causal, name="block")
        block.build(4)
        scrambled(block)
        out_BLD = values(block(ops.convert_to_tensor(x_BLD), real_BL[:, :7], Forward()))
        padded_out_BLD = values(block(ops.convert_to_tensor(padded_BLD), real_BL, Forward()))
        np.testing.assert_allclose(padded_out_BLD[real_BL], out_BLD[real_BL[:, :7]], atol=1e-5)


def test_dropout_applies_once_to_the_output_of_a_conv_block(scrambled):
    block = ConvBlock(dropout=0.5, name="block")
    block.build(8)
    scrambled(block)
    x_BLD, real_BL = ops.convert_to_tensor(drawn(2, 20, 8)), np.ones((2, 20), bool)
    full_BLD = values(block(x_BLD, real_BL, Forward()))
    out_BLD = values(block(x_BLD, real_BL, Forward(Noise(np.uint32(3)))))
    kept = out_BLD != 0
    assert 0.4 < kept.mean() < 0.6
    np.testing.assert_allclose(out_BLD[kept], 2 * full_BLD[kept], rtol=1e-5)


def test_branch_dropout_applies_to_the_branches_and_not_to_the_residual_connections():
    block = ConvBlock(dropout=0.0, branch_dropout=0.5, name="block")
    block.build(4)
    for step in (block.steps[1], block.steps[3]):  # the output of each is 3 for any input
        step.norm.scale_D.assign([0] * 4)
        step.norm.shift_D.assign([3] * 4)
    x = ops.zeros((2, 9, 4))
    assert (ops.convert_to_numpy(block(x, None, Forward())) == 3).all()
    assert set(ops.convert_to_numpy(block(x, None, Forward(Noise(np.uint32(1))))).ravel()) == {0, 6}


@pytest.mark.parametrize(("taps", "dilation"), [(3, 1), (15, 8), (5, 4)])
def test_a_stepwise_conv_step_equals_the_step_over_the_full_sequence(taps, dilation, scrambled):
    length = 2 * ((taps - 1) * dilation + 1) + 3  # wraps around the ring buffer twice
    step = ConvStep(5, taps, dilation=dilation, causal=True, name="step")
    step.build(4)
    scrambled(step)
    x_BLD = drawn(2, length, 4)
    full_BLF = values(step(ops.convert_to_tensor(x_BLD)))
    cache = step.start(2)
    for t in range(length):
        out_BF, cache = step.step(cache, ops.convert_to_tensor(x_BLD[:, t]), ops.convert_to_tensor(t, "int32"))
        np.testing.assert_allclose(values(out_BF), full_BLF[:, t], atol=1e-5)


def test_a_stepwise_conv_block_equals_the_block_over_the_full_sequence(scrambled):
    block = ConvBlock(dropout=0.3, causal=True, name="block")
    block.build(4)
    scrambled(block)
    x_BLD = drawn(2, 30, 4)
    full_BLD = values(block(ops.convert_to_tensor(x_BLD), None, Forward()))
    caches = block.start(2)
    for t in range(30):
        out_BD, caches = block.step(caches, ops.convert_to_tensor(x_BLD[:, t]), ops.convert_to_tensor(t, "int32"))
        np.testing.assert_allclose(values(out_BD), full_BLD[:, t], atol=1e-5)


@pytest.mark.parametrize("taps", [3, 15])
def test_initial_taps_are_uniform_and_keep_the_variance_of_a_channel(taps):
    keras.utils.set_random_seed(0)
    step = ConvStep(64, taps, name="step")
    step.build(4000)
    reach = (3 / taps) ** 0.5
    drawn_KD = step.taps_KD.numpy()
    assert abs(drawn_KD).max() == pytest.approx(reach, rel=0.01)
    assert drawn_KD.std() == pytest.approx(taps**-0.5, rel=0.02)  # variance 1 / K, summed over K taps: 1
    assert step.pointwise_DF.numpy().std() == pytest.approx((2 / 4000) ** 0.5, rel=0.02)
