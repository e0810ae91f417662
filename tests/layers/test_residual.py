"""The residual connection around a sublayer."""

import numpy as np
from keras import ops

from t2t_mm.layers.forward import Forward, Noise
from t2t_mm.layers.residual import Residual


def make(**settings):
    residual = Residual(**{"dropout": 0.0, "name": "residual", **settings})
    residual.build(2)
    return residual


def through(residual, sublayer, x, forward=None):
    x = ops.convert_to_tensor(x)
    return ops.convert_to_numpy(residual.leave(x, sublayer(residual.enter(x)), forward or Forward()))


def test_the_norm_is_applied_after_the_sum():
    # x + 10 x = [11, 33], whose norm is [-1, 1]
    np.testing.assert_allclose(through(make(), lambda x: 10 * x, [[1.0, 3.0]]), [[-1, 1]], rtol=1e-5)


def test_norm_first_applies_the_norm_before_the_sublayer():
    # The norm of x is [-1, 1]: x + 10 [-1, 1]
    np.testing.assert_allclose(through(make(norm_first=True), lambda x: 10 * x, [[1.0, 3.0]]), [[-9, 13]], rtol=1e-5)


def test_the_sublayer_output_has_dropout_in_training_only_and_x_never():
    residual, x = make(dropout=0.5, norm_first=True), np.ones((100, 2), "float32")
    np.testing.assert_allclose(through(residual, lambda x: x + 4, x), 5, rtol=1e-5)  # the norm of [1, 1] is [0, 0]
    out = through(residual, lambda x: x + 4, x, Forward(Noise(np.uint32(1))))
    assert set(np.round(out.ravel()).tolist()) == {1, 9}
    assert 60 < (out == 1).sum() < 140
