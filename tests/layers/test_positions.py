"""Learned position vectors."""

import numpy as np
from keras import ops

from t2t_mm.layers.positions import LearnedPositions


def test_each_position_has_its_row_and_what_is_behind_the_last_gets_the_last():
    layer = LearnedPositions(3, name="positions")
    layer.build(2)
    layer.rows_PD.assign([[0, 1], [2, 3], [4, 5]])
    out_LD = ops.convert_to_numpy(layer(ops.arange(5)))
    np.testing.assert_array_equal(out_LD, [[0, 1], [2, 3], [4, 5], [4, 5], [4, 5]])


def test_rows_start_like_rows_of_words():
    layer = LearnedPositions(400, name="positions")
    layer.build(25)
    assert abs(np.std(layer.rows_PD.numpy()) - 0.2) < 0.01
