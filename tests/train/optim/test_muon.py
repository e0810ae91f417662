"""Muon: steps along the nearest semi-orthogonal matrix, for hidden matrices only."""

import keras
import numpy as np
import pytest
from building_blocks import drawn_in as drawn
from keras import ops

from t2t_mm.hparam_set import TrainingHparams
from t2t_mm.registry import MODELS
from t2t_mm.testing import smallest_set, subject
from t2t_mm.train.optim.adam import ADAM_W
from t2t_mm.train.optim.muon import MUON, hidden, orthogonal

SHAPES = [(2, 3), (3, 2), (4, 4)]


def orthogonal_of(x):
    return ops.convert_to_numpy(orthogonal(ops.convert_to_tensor(x)))


def moved(weight, gradients, rate=0.1):
    """Return the weight after these steps."""
    hparams = TrainingHparams()
    weight, slots = ops.convert_to_tensor(weight), {"m": ops.zeros(weight.shape)}
    for count, gradient in enumerate(gradients, start=1):
        weight, slots = MUON.updated(weight, slots, ops.convert_to_tensor(gradient), rate, float(count), hparams)
    return ops.convert_to_numpy(weight)


def moved_once(weight, gradient):
    """Return the weight after one step, computed from a tensor in a graph."""
    weight, slots = ops.convert_to_tensor(weight), {"m": ops.zeros(weight.shape)}
    return MUON.updated(weight, slots, gradient, 0.1, 1.0, TrainingHparams())[0]


@pytest.mark.parametrize("shape", [*SHAPES, (128, 512)])
def test_orthogonal_brings_singular_values_to_about_one_and_keeps_directions(shape):
    left, values, right = np.linalg.svd(drawn(shape, 0), full_matrices=False)
    values = np.linspace(0.3, 1.0, len(values), dtype="float32")
    turned = left.T @ orthogonal_of((left * values) @ right) @ right.T
    assert np.all(np.abs(np.diag(turned) - 0.95) < 0.27)
    assert np.abs(turned - np.diag(np.diag(turned))).max() < 1e-2


def test_the_size_of_a_gradient_does_not_count():
    np.testing.assert_allclose(orthogonal_of(drawn((3, 4), 1)), orthogonal_of(1000 * drawn((3, 4), 1)), atol=1e-4)


def test_matrices_of_a_stack_are_orthogonalised_one_by_one():
    stack = drawn((5, 3, 4), 2) * np.arange(1, 6, dtype="float32")[:, None, None]
    np.testing.assert_allclose(orthogonal_of(stack), np.stack([orthogonal_of(one) for one in stack]), atol=1e-5)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="elsewhere every shape is known")
@pytest.mark.parametrize("shape", [(2, 3), (3, 3, 4, 2)])
def test_a_gradient_of_a_shape_that_is_known_when_it_runs_will_do(shape):
    import tensorflow as tf

    start, gradient = drawn(shape, 0), drawn(shape, 1)
    graph = tf.function(lambda unknown: moved_once(start, unknown), input_signature=[tf.TensorSpec(None)])
    np.testing.assert_allclose(graph(gradient), moved(start, [gradient]), atol=1e-6)


def test_an_expert_without_a_gradient_stays_whatever_its_momentum():
    start, gradients = drawn((2, 3, 4), 0), [drawn((2, 3, 4), 1), drawn((2, 3, 4), 2)]
    gradients[1][0] = 0
    after_1, after_2 = moved(start, gradients[:1]), moved(start, gradients)
    np.testing.assert_array_equal(after_2[0], after_1[0])
    assert np.abs(after_2[1] - after_1[1]).min() > 1e-4
    assert not orthogonal_of(np.zeros((2, 3), "float32")).any()


def test_the_first_step_of_one_number_by_hand():
    # 1 goes to 3.4445 - 4.775 + 2.0315 = 0.701, then 1.1136, 0.7207, 1.0900, 0.6964; 0.2 sqrt(1) of that, half a rate.
    (weight,) = moved(np.ones((1, 1), "float32"), [[[7.0]]], rate=0.5)
    assert weight == pytest.approx(1 - 0.5 * 0.2 * 0.6964, abs=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_five_steps_are_those_of_keras(shape):
    gradients = [drawn(shape, seed) for seed in range(1, 6)]
    theirs = keras.Variable(drawn(shape, 0))
    optimizer = keras.optimizers.Muon(0.1, weight_decay=None, adam_weight_decay=None)
    for gradient in gradients:
        optimizer.apply([ops.convert_to_tensor(gradient)], [theirs])
    np.testing.assert_allclose(moved(drawn(shape, 0), gradients), theirs.numpy(), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("path", "shape", "is_hidden"),
    [
        ("net/body/encoder/block_1/step_1/pointwise", (128, 128), True),
        ("net/body/encoder/experts/hidden", (16, 128, 512), True),
        ("net/body/encoder/block_1/step_1/depthwise", (3, 128), False),
        ("net/body/encoder/experts/gate", (128, 16), False),
        ("net/body/encoder/norm/scale", (128,), False),
        ("net/text_words/score/rows", (8192, 128), False),
    ],
)
def test_muon_updates_hidden_matrices_and_adamw_the_rest(path, shape, is_hidden):
    assert hidden(path, shape) == is_hidden
    assert MUON.for_weight(path, shape) is (MUON if is_hidden else ADAM_W)


@pytest.mark.slow
@pytest.mark.parametrize("model", list(MODELS))
def test_of_every_model_hidden_matrices_are_known_by_name(model):
    weights = subject(smallest_set(model)).net.trainable_variables
    names = {weight.path.rpartition("/")[2] for weight in weights if hidden(weight.path, tuple(weight.shape))}
    assert names <= {
        *("pointwise", "hidden", "kernel", "weight", "in", "out", "input", "recurrent", "embed"),
        *("qkv", "key_value", "query", "key", "value", "distance", "output"),
    }
