"""The recurrence of an LSTM: its values and its gradient in closed form, against the equations written out."""

import keras
import numpy as np
import pytest
from keras import ops

from t2t_mm.layers.recurrence import Norms, recur
from t2t_mm.layers.step_norm import shares

ROWS, STEPS, SIZE = 4, 5, 3
REAL_LB = np.arange(STEPS)[:, None] < np.array([5, 4, 2, 3])


def drawn(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


GIVEN = {
    "x": drawn(0, STEPS, ROWS, 4 * SIZE),
    "h": drawn(1, ROWS, SIZE),
    "c": drawn(2, ROWS, SIZE),
    "recurrent": drawn(3, SIZE, 4 * SIZE),
    "recurrent_scale": drawn(4, 4 * SIZE),
    "cell_scale": drawn(5, SIZE),
    "cell_shift": drawn(6, SIZE),
}
PLAIN = 4  # of them, that a plain LSTM reads


def by_equations(x, h, c, recurrent, *norms):
    """h_1 to h_L: arXiv 1603.09025, equations 6 to 8, with means and variances over the real rows of each step."""
    out = []
    for t in range(STEPS):
        share_B1 = (REAL_LB[t] / max(REAL_LB[t].sum(), 1)).astype("float32")[:, None]

        def bn(values, scale, shift=0.0, share_B1=share_B1):
            mean = ops.sum(share_B1 * values, axis=0)
            variance = ops.sum(share_B1 * (values - mean) ** 2, axis=0)
            return shift + scale * (values - mean) / ops.sqrt(variance + 1e-5)

        from_past = ops.matmul(h, recurrent)
        gates = x[t] + (bn(from_past, norms[0]) if norms else from_past)
        g, f, i, o = (gates[:, part : part + SIZE] for part in range(0, 4 * SIZE, SIZE))
        c = ops.sigmoid(f) * c + ops.sigmoid(i) * ops.tanh(g)
        h = ops.sigmoid(o) * ops.tanh(bn(c, *norms[1:]) if norms else c)
        out.append(h)
    return ops.stack(out)


def in_closed_form(x, h, c, recurrent, *norms):
    share_LB = ops.convert_to_tensor(shares(REAL_LB))[:, 0]
    return recur(x, h, c, recurrent, Norms(*norms, share_LB) if norms else None)[0]


def with_gradients(function, given):
    """The outputs of `function` where there is something, and the gradients of a weighted sum of them."""
    weights = drawn(7, STEPS, ROWS, SIZE) * REAL_LB[..., None]
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        @tf.function(autograph=False)
        def run(*given):
            with tf.GradientTape() as tape:
                tape.watch(given)
                out = function(*given)
                value = ops.sum(out * weights)
            return out, tape.gradient(value, given)
    else:
        import jax

        def run(*given):
            places = tuple(range(len(given)))
            return function(*given), jax.grad(lambda *x: ops.sum(function(*x) * weights), argnums=places)(*given)

    out, gradients = run(*(ops.convert_to_tensor(value) for value in given))
    return [ops.convert_to_numpy(out) * REAL_LB[..., None], *map(ops.convert_to_numpy, gradients)]


@pytest.mark.parametrize("batch_norm", [False, True])
def test_values_and_gradients_are_those_of_the_equations(batch_norm):
    given = list(GIVEN.values())[: None if batch_norm else PLAIN]
    right, found = with_gradients(by_equations, given), with_gradients(in_closed_form, given)
    for name, one, other in zip(("out", *GIVEN), right, found, strict=False):
        assert abs(one).max() > 0.1, name
        np.testing.assert_allclose(other, one, atol=1e-5, err_msg=name)


def test_it_also_says_what_the_statistics_were():
    *given, recurrent_scale, cell_scale, cell_shift = (ops.convert_to_tensor(value) for value in GIVEN.values())
    norms = Norms(recurrent_scale, cell_scale, cell_shift, ops.convert_to_tensor(shares(REAL_LB))[:, 0])
    _, mean_LG, variance_LG, cell_mean_LH, _ = (ops.convert_to_numpy(x)[:, 0] for x in recur(*given, norms))
    first_BG = GIVEN["h"] @ GIVEN["recurrent"]
    np.testing.assert_allclose(mean_LG[0], first_BG.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(variance_LG[0], first_BG.var(axis=0), atol=1e-5)
    assert cell_mean_LH.shape == (STEPS, SIZE)


def test_a_step_at_which_every_row_has_ended_stays_finite():
    real_LB = np.arange(STEPS)[:, None] < np.array([2, 1, 2, 0])
    *given, recurrent_scale, cell_scale, cell_shift = (ops.convert_to_tensor(value) for value in GIVEN.values())
    norms = Norms(recurrent_scale, cell_scale, cell_shift, ops.convert_to_tensor(shares(real_LB))[:, 0])
    for tensor in recur(*given, norms):
        assert np.isfinite(ops.convert_to_numpy(tensor)).all()
