"""Learned positions of a grid, and their interpolation to another."""

import numpy as np
import pytest
from building_blocks import drawn
from keras import ops
from scipy import ndimage

from t2t_mm.layers.grid_positions import GridPositions, resized


def make(side, width=2):
    layer = GridPositions(side, name="positions")
    layer.build(width)
    return layer


def test_each_square_has_a_row():
    layer = make(2)
    layer.rows_LD.assign([[0, 1], [2, 3], [4, 5], [6, 7]])
    np.testing.assert_array_equal(ops.convert_to_numpy(layer() + 0.0), [[0, 1], [2, 3], [4, 5], [6, 7]])


def test_rows_start_small():
    assert np.std(make(20, 25).rows_LD.numpy()) == pytest.approx(0.02, rel=0.05)


def test_two_squares_a_side_become_three_with_the_means_between():
    grid_HW1 = np.array([[[1.0], [3.0]], [[5.0], [7.0]]])
    expected = [[1, 2, 3], [3, 4, 5], [5, 6, 7]]  # corners stay; the middle one is the mean of all four
    np.testing.assert_allclose(resized(grid_HW1, 3)[..., 0], expected)


@pytest.mark.parametrize(("side", "wanted"), [(7, 12), (14, 24), (5, 3), (4, 4), (1, 3), (2, 6)])
def test_it_is_scipys_linear_zoom_as_in_the_authors_code(side, wanted):
    grid_HWD = drawn(side, side, 3)
    expected = ndimage.zoom(grid_HWD, (wanted / side, wanted / side, 1), order=1)
    np.testing.assert_allclose(resized(grid_HWD, wanted), expected, atol=1e-5)


def test_one_square_for_all_is_the_middle():
    grid_HWD = drawn(3, 3, 2)
    np.testing.assert_allclose(resized(grid_HWD, 1)[0, 0], grid_HWD[1, 1])


def test_rows_of_another_grid_are_adapted_row_by_row_and_column_by_column():
    value = np.array([[1, 0], [3, 0], [5, 1], [7, 1]], "float32")
    found = make(3).adapted("rows", value)
    np.testing.assert_allclose(found[:, 0], [1, 2, 3, 3, 4, 5, 5, 6, 7])
    np.testing.assert_allclose(found[:, 1], [0, 0, 0, 0.5, 0.5, 0.5, 1, 1, 1])
    assert found.dtype == np.float32
    np.testing.assert_array_equal(make(2).adapted("rows", value), value)


@pytest.mark.parametrize("shape", [(4, 3), (5, 2), (4,), (2, 2, 2)])
def test_what_is_no_square_grid_of_this_width_cannot_be_adapted(shape):
    assert make(3).adapted("rows", drawn(*shape)) is None
