"""Dropout."""

import numpy as np
import pytest
from keras import ops

from t2t_mm.layers.dropout import dropout
from t2t_mm.layers.forward import Forward, Noise

X = np.arange(1, 20_001, dtype="float32").reshape(100, 200)


def training(seed=1):
    return Forward(Noise(np.uint32(seed)))


@pytest.mark.parametrize(("rate", "forward"), [(0.5, Forward()), (0.0, training())])
def test_dropout_changes_nothing_outside_training_or_at_rate_zero(rate, forward):
    assert dropout(X, rate, forward, "path") is X


def test_kept_elements_are_divided_by_the_share_that_is_kept():
    out = ops.convert_to_numpy(dropout(ops.convert_to_tensor(X), 0.25, training(), "path"))
    np.testing.assert_allclose(out[out != 0], X[out != 0] / 0.75, rtol=1e-6)
    assert (out == 0).mean() == pytest.approx(0.25, abs=0.015)


def test_the_dropout_mask_repeats_for_equal_seed_and_path_only():
    def kept(seed, path):
        return ops.convert_to_numpy(dropout(ops.convert_to_tensor(X), 0.5, training(seed), path)) != 0

    np.testing.assert_array_equal(kept(1, "a"), kept(1, "a"))
    assert 0.45 < (kept(1, "a") == kept(2, "a")).mean() < 0.55
    assert 0.45 < (kept(1, "a") == kept(1, "b")).mean() < 0.55
