"""An unrolled LSTM: its values and its gradient in closed form, against the equations written out."""

import keras
import numpy as np
import pytest
from keras import ops

from t2t_mm.layers.recurrence import NormParameters, unroll
from t2t_mm.layers.step_norm import shares

ROWS, STEPS, SIZE = 4, 5, 3
REAL_LB = np.arange(STEPS)[:, None] < np.array([5, 4, 2, 3])


def drawn(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


ARGUMENTS = {
    "x": drawn(0, STEPS, ROWS, 4 * SIZE),
    "h": drawn(1, ROWS, SIZE),
    "c": drawn(2, ROWS, SIZE),
    "recurrent": drawn(3, SIZE, 4 * SIZE),
    "recurrent_scale": drawn(4, 4 * SIZE),
    "cell_scale": drawn(5, SIZE),
    "cell_shift": drawn(6, SIZE),
}
PLAIN = 4  # the number of arguments of a plain LSTM


def by_equations(x, h, c, recurrent, *norms):
    """Return h_1 to h_L by equations 6 to 8 of arXiv 1603.09025, with moments over the real rows of each step."""
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
    return unroll(x, h, c, recurrent, NormParameters(*norms, share_LB) if norms else None)[0]


def with_gradients(function, arguments):
    """Return the outputs of `function` at real positions, and the gradients of a weighted sum of them."""
    weights = drawn(7, STEPS, ROWS, SIZE) * REAL_LB[..., None]
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        @tf.function(autograph=False)
        def run(*arguments):
            with tf.GradientTape() as tape:
                tape.watch(arguments)
                out = function(*arguments)
                value = ops.sum(out * weights)
            return out, tape.gradient(value, arguments)
    else:
        import jax

        def run(*arguments):
            places = tuple(range(len(arguments)))
            return function(*arguments), jax.grad(lambda *x: ops.sum(function(*x) * weights), argnums=places)(
                *arguments
            )

    out, gradients = run(*(ops.convert_to_tensor(value) for value in arguments))
    return [ops.convert_to_numpy(out) * REAL_LB[..., None], *map(ops.convert_to_numpy, gradients)]


@pytest.mark.parametrize("batch_norm", [False, True])
def test_unroll_has_the_values_and_gradients_of_the_equations(batch_norm):
    arguments = list(ARGUMENTS.values())[: None if batch_norm else PLAIN]
    right, actual = with_gradients(by_equations, arguments), with_gradients(in_closed_form, arguments)
    for name, one, other in zip(("out", *ARGUMENTS), right, actual, strict=False):
        assert abs(one).max() > 0.1, name
        np.testing.assert_allclose(other, one, atol=1e-5, err_msg=name)


def test_unroll_also_returns_the_statistics_of_the_batch():
    *arguments, recurrent_scale, cell_scale, cell_shift = (ops.convert_to_tensor(value) for value in ARGUMENTS.values())
    norms = NormParameters(recurrent_scale, cell_scale, cell_shift, ops.convert_to_tensor(shares(REAL_LB))[:, 0])
    _, mean_LG, variance_LG, cell_mean_LH, _ = (ops.convert_to_numpy(x)[:, 0] for x in unroll(*arguments, norms))
    first_BG = ARGUMENTS["h"] @ ARGUMENTS["recurrent"]
    np.testing.assert_allclose(mean_LG[0], first_BG.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(variance_LG[0], first_BG.var(axis=0), atol=1e-5)
    assert cell_mean_LH.shape == (STEPS, SIZE)


def test_unroll_is_finite_at_a_step_at_which_every_row_has_ended():
    real_LB = np.arange(STEPS)[:, None] < np.array([2, 1, 2, 0])
    *arguments, recurrent_scale, cell_scale, cell_shift = (ops.convert_to_tensor(value) for value in ARGUMENTS.values())
    norms = NormParameters(recurrent_scale, cell_scale, cell_shift, ops.convert_to_tensor(shares(real_LB))[:, 0])
    for tensor in unroll(*arguments, norms):
        assert np.isfinite(ops.convert_to_numpy(tensor)).all()
