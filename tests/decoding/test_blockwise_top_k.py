"""The largest numbers of long rows, against a stable sort."""

import numpy as np
import pytest
from keras import ops

from t2t_mm.decoding.blockwise_top_k import WIDTH, largest


def found(x_BN, count):
    values_BK, places_BK = largest(ops.convert_to_tensor(x_BN), count)
    return ops.convert_to_numpy(values_BK), ops.convert_to_numpy(places_BK)


def sorted_stably(x_BN, count):
    places_BK = np.argsort(-x_BN, axis=1, kind="stable")[:, :count]
    return np.take_along_axis(x_BN, places_BK, axis=1), places_BK


@pytest.mark.parametrize("numbers", [7, 6 * WIDTH, 6 * WIDTH + 1, 6 * WIDTH - 1, 40 * WIDTH])
@pytest.mark.parametrize("values", [2, 9, 10**6])  # few values: many are equal, in one group and in several
def test_it_is_the_stable_sort(numbers, values):
    x_BN = np.random.default_rng(numbers).integers(values, size=(5, numbers)).astype("float32")
    for mine, expected in zip(found(x_BN, 5), sorted_stably(x_BN, 5), strict=True):
        np.testing.assert_array_equal(mine, expected)


def test_minus_infinity_counts_as_a_number_wherever_it_stands():
    x_BN = np.full((2, 10 * WIDTH + 3), -np.inf, "float32")
    x_BN[1, -1] = 1.0
    values_BK, places_BK = found(x_BN, 4)
    np.testing.assert_array_equal(places_BK, [[0, 1, 2, 3], [10 * WIDTH + 2, 0, 1, 2]])
    np.testing.assert_array_equal(values_BK[1], [1.0, -np.inf, -np.inf, -np.inf])
