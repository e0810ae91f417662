"""The modality net of classes: the exit flows over a grid and along a sequence."""

import keras
import numpy as np
import pytest
from building_blocks import drawn
from keras import ops

from t2t_mm.feature import Port
from t2t_mm.layers.image_conv import max_pool
from t2t_mm.layers.sequence import Seq
from t2t_mm.modalities.label import ExitGrid, ExitLine, Label, pool


def make(classes=3, width=4):
    net = Label(Port("label", "label_size", classes), width, None, name="label_size")
    net.build()
    return net


def values(result):
    return ops.convert_to_numpy(result)


def sequence(values_BLD, lengths):
    real_BL = np.arange(values_BLD.shape[1])[None] < np.array(lengths)[:, None]
    return Seq(ops.convert_to_tensor(values_BLD), ops.convert_to_tensor(real_BL))


def image(values_BLD, grid):
    return Seq(ops.convert_to_tensor(values_BLD), np.ones(values_BLD.shape[:2], bool), grid=grid)


@pytest.fixture(scope="module")
def line(scrambled):
    flow = ExitLine(name="line")
    flow.build(4)
    return scrambled(flow)


@pytest.fixture(scope="module")
def grid(scrambled):
    flow = ExitGrid(name="grid")
    flow.build(4)
    return scrambled(flow)


def test_the_pool_takes_five_positions_at_every_fourth():
    x_BLD = np.array([3, 1, 4, 1, 5, 9, 2, 6, 5, 3], "float32")[None, :, None]
    real_BL = np.ones((1, 10), bool)
    np.testing.assert_array_equal(values(pool(ops.convert_to_tensor(x_BLD), real_BL))[0, :, 0], [5, 9, 5])


@pytest.mark.parametrize("length", range(1, 10))
def test_pads_count_as_minus_infinity_in_the_pool(length):
    x_BLD = -1.0 - np.arange(12, dtype="float32")[None, :, None]  # falling: the first of each window wins
    x_BLD[:, length:] = 100
    result_L = values(pool(ops.convert_to_tensor(x_BLD), np.arange(12)[None] < length))[0, :, 0]
    windows = -(-length // 4)
    np.testing.assert_array_equal(result_L[:windows], [-1, -5, -9][:windows])
    assert (result_L[windows:] < -1e8).all()


@pytest.mark.parametrize("length", range(1, 10))
def test_any_number_of_pads_full_of_noise_leaves_the_flow_along_a_sequence_as_it_is(line, length):
    x_BLD = drawn(1, 20, 4)
    alone_BF = values(line(sequence(x_BLD[:, :length], [length])))
    assert alone_BF.shape == (1, 8)
    for more in (1, 2, 3, 4, 11):
        padded_BLD = np.concatenate([x_BLD[:, :length], 100 * drawn(1, more, 4, seed=more)], axis=1)
        np.testing.assert_allclose(values(line(sequence(padded_BLD, [length]))), alone_BF, atol=1e-4)


def test_rows_of_several_lengths_do_not_touch_each_other(line):
    x_BLD, lengths = drawn(3, 9, 4), [9, 4, 1]
    together_BF = values(line(sequence(x_BLD, lengths)))
    for b, length in enumerate(lengths):
        np.testing.assert_allclose(
            values(line(sequence(x_BLD[b : b + 1, :length], [length])))[0], together_BF[b], atol=1e-4
        )


def test_the_flow_along_a_sequence_adds_skip_and_pool_and_takes_the_mean_of_what_is_real(line):
    x_BLD, real_BL = ops.convert_to_tensor(drawn(1, 10, 4)), np.arange(10)[None] < 6
    one, two, three, four = line.steps
    pooled_BMD = pool(two(one(x_BLD, real_BL), real_BL), real_BL)
    x_BMD = line.skip(x_BLD, real_BL)[:, ::4] + pooled_BMD
    last_BMF = np.maximum(values(four(three(x_BMD, real_BL[:, ::4]), real_BL[:, ::4])), 0)
    np.testing.assert_allclose(values(line(Seq(x_BLD, real_BL))), last_BMF[:, :2].mean(axis=1), atol=1e-5)


def test_every_position_of_a_sequence_changes_the_flow(line):
    x_BLD = drawn(1, 9, 4)
    before_BF = values(line(sequence(x_BLD, [9])))
    for t in range(9):
        moved_BLD = x_BLD.copy()
        moved_BLD[0, t] = 3 * drawn(4, seed=t + 1)
        assert abs(values(line(sequence(moved_BLD, [9]))) - before_BF).max() > 1e-4


def test_the_flow_over_a_grid_adds_skip_and_pool_and_takes_the_mean(grid):
    x_BLD = drawn(2, 15, 4)
    x_BHWC = ops.convert_to_tensor(x_BLD.reshape(2, 3, 5, 4))
    one, two, three, four = grid.steps
    x_BhwC = grid.skip(x_BHWC) + max_pool(two(one(x_BHWC)))
    assert x_BhwC.shape == (2, 2, 3, 4)
    expected_BF = np.maximum(values(four(three(x_BhwC))), 0).mean(axis=(1, 2))
    np.testing.assert_allclose(values(grid(image(x_BLD, (3, 5)))), expected_BF, atol=1e-5)


def test_a_grid_of_one_place_is_enough(grid):
    assert np.isfinite(values(grid(image(drawn(2, 1, 4), (1, 1))))).all()


def test_exit_widths_are_those_of_the_paper_at_its_width():
    net = make(width=8)
    for flow in (net.grid, net.line):
        assert [step.size for step in flow.steps] == [8, 8, 12, 16]  # 1,024, 1,024, 1,536 and 2,048 at 1,024
    assert net.score.rows_VD.shape == (3, 16)


def test_logits_come_from_the_flow_that_fits_the_memory(scrambled):
    net = scrambled(make())
    x_BLD = drawn(2, 6, 4)
    for memory, flow in ((sequence(x_BLD, [6, 4]), net.line), (image(x_BLD, (2, 3)), net.grid)):
        expected_BC = values(flow(memory)) @ net.score.rows_VD.numpy().T
        np.testing.assert_allclose(values(net.top(memory)), expected_BC[:, None], atol=1e-5)


def test_the_loss_is_of_the_rows_that_have_a_class(scrambled):
    net = scrambled(make())
    memory, classes_B = sequence(drawn(3, 6, 4), [6, 4, 0]), np.array([2, 0, -1], "int32")
    logits_BC = values(net.top(memory))[:, 0]
    log_probs_BC = logits_BC - np.log(np.exp(logits_BC).sum(axis=-1, keepdims=True))
    loss = net.loss(memory, {"class": classes_B}, 0.3)
    nats = -log_probs_BC[0, 2] - log_probs_BC[1, 0]
    assert float(loss.count) == 2
    assert float(loss.nats) == pytest.approx(nats, rel=1e-4)
    assert float(loss.objective) == pytest.approx(0.7 * nats - 0.3 * log_probs_BC[:2].mean(axis=-1).sum(), rel=1e-4)
    labels_B1, real_B1 = net.labels({"class": classes_B})
    np.testing.assert_array_equal(values(labels_B1), [[2], [0], [0]])
    np.testing.assert_array_equal(values(real_B1), [[True], [True], [False]])


@pytest.mark.parametrize("grid", [None, (4, 4)])
def test_the_first_loss_of_many_classes_is_about_the_logarithm_of_their_number(grid):
    keras.utils.set_random_seed(0)
    net = make(classes=1000, width=32)
    memory = sequence(drawn(20, 16, 32), [16] * 20) if grid is None else image(drawn(20, 16, 32), grid)
    classes_B = np.random.default_rng(1).integers(1000, size=20).astype("int32")
    assert float(net.loss(memory, {"class": classes_B}, 0.0).nats) / 20 == pytest.approx(np.log(1000), rel=0.1)
