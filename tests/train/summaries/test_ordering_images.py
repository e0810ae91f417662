"""Images of learned orderings."""

import numpy as np

from t2t_mm.train.summaries.canvas import DEEP, MARGIN, PAPER
from t2t_mm.train.summaries.ordering_images import CELL, ordering


def test_a_cell_is_the_darker_the_more_of_the_layer_goes_in_at_the_depth():
    share_JK = np.array([[1, 0.25], [0, 0.75]])
    pixels = np.asarray(ordering(share_JK, "title").convert("RGB"))
    pixels = pixels[-MARGIN - 2 * CELL : -MARGIN, -MARGIN - 2 * CELL : -MARGIN]
    corners = pixels[4::CELL, 4::CELL]  # inside each cell's frame, away from its number
    np.testing.assert_array_equal(corners[0, 0], DEEP)
    np.testing.assert_array_equal(corners[1, 0], PAPER)
    quarter = np.rint(np.array(PAPER) + 0.25 * (np.array(DEEP) - PAPER))
    np.testing.assert_array_equal(corners[0, 1], quarter)
    assert corners[1, 1].sum() < corners[0, 1].sum()


def test_there_is_a_row_for_each_layer_and_a_column_for_each_depth():
    small, large = (ordering(np.full((n, n), 1 / n), "t") for n in (6, 8))
    assert (large.width - small.width, large.height - small.height) == (2 * CELL, 2 * CELL)
