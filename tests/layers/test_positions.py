"""Position vectors: learned ones of sequences and grids, their interpolation, and the timing signal."""

import numpy as np
import pytest
from keras import ops
from scipy import ndimage

from t2t_mm.layers.positions import GridPositions, LearnedPositions, add_timing, resized, timing_signal


def test_each_position_has_its_row_and_later_ones_get_the_last_row():
    layer = LearnedPositions(3, name="positions")
    layer.build(2)
    layer.rows_PD.assign([[0, 1], [2, 3], [4, 5]])
    out_LD = ops.convert_to_numpy(layer(ops.arange(5)))
    np.testing.assert_array_equal(out_LD, [[0, 1], [2, 3], [4, 5], [4, 5], [4, 5]])


def test_initial_position_rows_have_the_deviation_of_word_rows():
    layer = LearnedPositions(400, name="positions")
    layer.build(25)
    assert abs(np.std(layer.rows_PD.numpy()) - 0.2) < 0.01


def grid(side, width=2):
    layer = GridPositions(side, name="positions")
    layer.build(width)
    return layer


def drawn(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def test_each_square_of_a_grid_has_a_row():
    layer = grid(2)
    layer.rows_LD.assign([[0, 1], [2, 3], [4, 5], [6, 7]])
    np.testing.assert_array_equal(ops.convert_to_numpy(layer() + 0.0), [[0, 1], [2, 3], [4, 5], [6, 7]])


def test_initial_grid_rows_have_a_deviation_of_0_02():
    assert np.std(grid(20, 25).rows_LD.numpy()) == pytest.approx(0.02, rel=0.05)


def test_two_squares_a_side_become_three_with_the_means_between():
    grid_HW1 = np.array([[[1.0], [3.0]], [[5.0], [7.0]]])
    expected = [[1, 2, 3], [3, 4, 5], [5, 6, 7]]  # corners stay; the middle one is the mean of all four
    np.testing.assert_allclose(resized(grid_HW1, 3)[..., 0], expected)


@pytest.mark.parametrize(("side", "new_side"), [(7, 12), (14, 24), (5, 3), (4, 4), (1, 3), (2, 6)])
def test_resizing_is_scipys_linear_zoom_as_in_the_authors_code(side, new_side):
    grid_HWD = drawn(side, side, 3)
    expected = ndimage.zoom(grid_HWD, (new_side / side, new_side / side, 1), order=1)
    np.testing.assert_allclose(resized(grid_HWD, new_side), expected, atol=1e-5)


def test_resizing_to_one_square_takes_the_middle():
    grid_HWD = drawn(3, 3, 2)
    np.testing.assert_allclose(resized(grid_HWD, 1)[0, 0], grid_HWD[1, 1])


def test_rows_of_another_grid_are_adapted_row_by_row_and_column_by_column():
    value = np.array([[1, 0], [3, 0], [5, 1], [7, 1]], "float32")
    adapted = grid(3).adapted("rows", value)
    np.testing.assert_allclose(adapted[:, 0], [1, 2, 3, 3, 4, 5, 5, 6, 7])
    np.testing.assert_allclose(adapted[:, 1], [0, 0, 0, 0.5, 0.5, 0.5, 1, 1, 1])
    assert adapted.dtype == np.float32
    np.testing.assert_array_equal(grid(2).adapted("rows", value), value)


@pytest.mark.parametrize("shape", [(4, 3), (5, 2), (4,), (2, 2, 2)])
def test_an_array_that_is_no_square_grid_of_this_width_is_not_adapted(shape):
    assert grid(3).adapted("rows", drawn(*shape)) is None


def test_sines_and_cosines_of_the_timing_signal_alternate_over_the_full_depth():
    signal_LD = ops.convert_to_numpy(timing_signal(np.array([0, 1, 300]), 4))
    by_hand = [[0, 1, 0, 1]] + [[np.sin(t), np.cos(t), np.sin(t / 100), np.cos(t / 100)] for t in (1, 300)]
    np.testing.assert_allclose(signal_LD, by_hand, atol=1e-4)


def test_a_timing_signal_of_odd_depth_ends_with_a_sine():
    signal_LD = ops.convert_to_numpy(timing_signal(np.array([2]), 3))
    np.testing.assert_allclose(signal_LD, [[np.sin(2), np.cos(2), np.sin(2 * 1e4 ** (-2 / 3))]], atol=1e-6)


def test_the_timing_signal_is_added_to_each_row_from_position_0_on():
    x_BLD = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
    added_BLD = ops.convert_to_numpy(add_timing(ops.convert_to_tensor(x_BLD))) - x_BLD
    for row in added_BLD:
        np.testing.assert_allclose(row, ops.convert_to_numpy(timing_signal(np.arange(3), 4)), atol=1e-6)
