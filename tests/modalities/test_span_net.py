"""The two softmaxes over positions, by hand."""

import numpy as np
import pytest
from keras import ops

from t2t_mm.feature import Port
from t2t_mm.layers.sequence import Seq
from t2t_mm.modalities.span import Span
from t2t_mm.registry import HPARAM_SETS

MEMORY_BLD = np.array([[[0, 0], [1, 0], [0, 1], [9, 9]], [[2, 0], [0, 2], [1, 1], [0, 0]]], "float32")
REAL_BL = np.array([[1, 1, 1, 0], [1, 1, 1, 1]], bool)


@pytest.fixture
def net():
    made = Span(Port("span", "span", 0), 2, HPARAM_SETS["bert_tiny"](), name="span")
    made.build()
    made.rows_2D.assign([[np.log(2), 0], [0, np.log(3)]])  # begins: 2 to the first channel; ends: 3 to the second
    return made


def memory():
    return Seq(ops.convert_to_tensor(MEMORY_BLD), ops.convert_to_tensor(REAL_BL))


def test_positions_are_softmaxes_of_products_over_real_positions(net):
    halves_BC = ops.convert_to_numpy(ops.softmax(net.top(memory())[:, 0], axis=-1))
    np.testing.assert_allclose(2 * halves_BC[0], [1 / 4, 2 / 4, 1 / 4, 0, 1 / 5, 1 / 5, 3 / 5, 0], atol=1e-6)
    np.testing.assert_allclose(2 * halves_BC[1, :4], [4 / 8, 1 / 8, 2 / 8, 1 / 8], atol=1e-6)


def test_the_loss_is_of_both_places_and_an_empty_row_costs_nothing(net):
    loss = net.loss(memory(), {"places": np.array([[1, 2], [-1, -1]], "int32")}, 0.0)
    assert float(loss.count) == 2
    assert float(loss.nats) == pytest.approx(-np.log(2 / 4) - np.log(3 / 5), rel=1e-5)
    smoothed = net.loss(memory(), {"places": np.array([[1, 2], [-1, -1]], "int32")}, 0.3)
    even = -np.log([1 / 4, 2 / 4, 1 / 4]).mean() - np.log([1 / 5, 1 / 5, 3 / 5]).mean()
    assert float(smoothed.objective) == pytest.approx(0.7 * float(loss.nats) + 0.3 * even, rel=1e-5)
    assert float(smoothed.nats) == float(loss.nats)


def test_a_pad_costs_85_nats_more_than_the_likeliest_position(net):
    loss = net.loss(memory(), {"places": np.array([[3, 3], [-1, -1]], "int32")}, 0.0)
    assert float(loss.nats) == pytest.approx(85 - np.log(2 / 4) + 85 - np.log(3 / 5), rel=1e-4)
