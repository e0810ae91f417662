"""Sequences with their padding masks."""

import numpy as np
from keras import ops

from t2t_mm.layers.sequence import Seq, zero_pads

REAL_BL = np.array([[True, True, False], [True, False, False]])


def test_with_values_keeps_mask_and_grid():
    seq = Seq(np.zeros((2, 3, 4)), REAL_BL, grid=(1, 3)).with_values(np.ones((2, 3, 5)))
    assert seq.values_BLD.shape == (2, 3, 5)
    assert seq.real_BL is REAL_BL
    assert seq.grid == (1, 3)


def test_repeated_repeats_each_row_with_mask_and_grid():
    values_BLD = np.arange(6.0).reshape(2, 3, 1)
    seq = Seq(ops.convert_to_tensor(values_BLD), ops.convert_to_tensor(REAL_BL), grid=(1, 3)).repeated(2)
    np.testing.assert_array_equal(ops.convert_to_numpy(seq.values_BLD), values_BLD[[0, 0, 1, 1]])
    np.testing.assert_array_equal(ops.convert_to_numpy(seq.real_BL), REAL_BL[[0, 0, 1, 1]])
    assert seq.grid == (1, 3)


def test_zero_pads_sets_padding_to_zero_and_keeps_the_rest():
    noise_BLD = np.random.default_rng(0).normal(0, 1e6, (2, 3, 4)).astype("float32")
    out_BLD = ops.convert_to_numpy(zero_pads(ops.convert_to_tensor(noise_BLD), REAL_BL))
    np.testing.assert_array_equal(out_BLD[REAL_BL], noise_BLD[REAL_BL])
    assert not out_BLD[~REAL_BL].any()
