"""The position-wise feed-forward network."""

import numpy as np
from keras import ops

from t2t_mm.layers.feed_forward import FeedForward
from t2t_mm.layers.forward import Forward, Noise


def make(dropout=0.0, activation=ops.relu):
    """One channel in and out, two hidden: 3 x + 1 and -x, of which the second counts tenfold, plus 100."""
    layer = FeedForward(2, dropout=dropout, activation=activation, name="feed_forward")
    layer.build(1)
    layer.in_DF.assign([[3, -1]])
    layer.in_shift_F.assign([1, 0])
    layer.out_FD.assign([[1], [10]])
    layer.out_shift_D.assign([100])
    return layer


def run(layer, x, forward=None):
    return ops.convert_to_numpy(layer(ops.convert_to_tensor(x), forward or Forward()))


def test_feed_forward_values_by_hand():
    # x = 2: max(0, 7) + 10 max(0, -2) + 100;  x = -2: max(0, -5) + 10 max(0, 2) + 100
    np.testing.assert_allclose(run(make(), [[[2.0], [-2.0]]]), [[[107], [120]]])
    np.testing.assert_allclose(run(make(), [[2.0]]), [[107]])  # a single position too


def test_hidden_units_have_dropout_in_training_only():
    layer, x = make(dropout=0.5), np.full((200, 1), 2.0, "float32")
    np.testing.assert_allclose(run(layer, x), 107)
    out = run(layer, x, Forward(Noise(np.uint32(1))))
    assert set(np.round(out[:, 0]).tolist()) == {100, 114}  # the one active hidden unit is dropped, or doubled
    assert 60 < (out == 100).sum() < 140


def test_feed_forward_shifts_start_at_zero():
    layer = FeedForward(8, dropout=0.0, name="feed_forward")
    layer.build(4)
    np.testing.assert_array_equal(run(layer, np.zeros((1, 4), "float32")), 0)


def test_another_activation_replaces_relu():
    # x = 2: (3 * 2 + 1)^2 + 10 (-2)^2 + 100
    np.testing.assert_allclose(run(make(activation=ops.square), [[2.0]]), [[189]])
