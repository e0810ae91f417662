"""The timing signal."""

import numpy as np
from keras import ops

from t2t_mm.layers.positions import add_timing, timing_signal


def test_sines_and_cosines_alternate_over_the_full_depth():
    signal_LD = ops.convert_to_numpy(timing_signal(np.array([0, 1, 300]), 4))
    by_hand = [[0, 1, 0, 1]] + [[np.sin(t), np.cos(t), np.sin(t / 100), np.cos(t / 100)] for t in (1, 300)]
    np.testing.assert_allclose(signal_LD, by_hand, atol=1e-4)


def test_an_odd_depth_ends_with_a_sine():
    signal_LD = ops.convert_to_numpy(timing_signal(np.array([2]), 3))
    np.testing.assert_allclose(signal_LD, [[np.sin(2), np.cos(2), np.sin(2 * 1e4 ** (-2 / 3))]], atol=1e-6)


def test_it_is_added_to_each_row_from_position_0_on():
    x_BLD = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
    added_BLD = ops.convert_to_numpy(add_timing(ops.convert_to_tensor(x_BLD))) - x_BLD
    for row in added_BLD:
        np.testing.assert_allclose(row, ops.convert_to_numpy(timing_signal(np.arange(3), 4)), atol=1e-6)
