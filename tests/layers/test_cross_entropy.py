"""Softmax cross-entropy, against the plain definition in double precision."""

import keras
import numpy as np
import pytest
from keras import ops

from t2t_mm.layers.cross_entropy import cross_entropy


def drawn(count=6, depth=5, symbols=7):
    rng = np.random.default_rng(0)
    return rng.normal(size=(count, depth)), rng.normal(size=(symbols, depth)), rng.integers(symbols, size=count)


def run(x_ND, table_VD, labels_N, smoothing):
    tensors = (ops.convert_to_tensor(a, t) for a, t in ((x_ND, "float32"), (table_VD, "float32"), (labels_N, "int32")))
    return [ops.convert_to_numpy(part) for part in cross_entropy(*tensors, smoothing)]


def test_cross_entropy_of_two_symbols_by_hand():
    smoothed_N, nats_N = run([[1.0]], [[np.log(3.0)], [0.0]], [0], 0.2)  # probabilities 3/4 and 1/4
    np.testing.assert_allclose(nats_N, [np.log(4 / 3)], rtol=1e-6)
    np.testing.assert_allclose(smoothed_N, [0.9 * np.log(4 / 3) + 0.1 * np.log(4)], rtol=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_cross_entropy_is_that_of_the_smoothed_label(smoothing):
    x_ND, table_VD, labels_N = drawn()
    logits_NV = x_ND @ table_VD.T
    log_probs_NV = logits_NV - np.log(np.exp(logits_NV).sum(axis=-1, keepdims=True))
    target_NV = (1 - smoothing) * np.eye(7)[labels_N] + smoothing / 7
    smoothed_N, nats_N = run(x_ND, table_VD, labels_N, smoothing)
    np.testing.assert_allclose(smoothed_N, -(target_NV * log_probs_NV).sum(axis=-1), rtol=1e-5)
    np.testing.assert_allclose(nats_N, -log_probs_NV[np.arange(6), labels_N], rtol=1e-5)


def test_cross_entropy_of_large_logits_does_not_overflow():
    _, nats_N = run([[1000.0], [1000.0]], [[1.0], [0.0]], [0, 1], 0.1)
    np.testing.assert_allclose(nats_N, [0, 1000], atol=1e-3)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="differentiates with TensorFlow")
def test_cross_entropy_gradients_are_those_of_the_plain_definition():
    import tensorflow as tf

    x_ND, table_VD, labels_N = (
        tf.constant(a, t) for a, t in zip(drawn(), ("float32", "float32", "int32"), strict=True)
    )
    target_NV = 0.9 * tf.one_hot(labels_N, 7) + 0.1 / 7
    weight_N = tf.constant([1.0, 0.0, 2.0, -1.0, 0.5, 3.0])
    results = []
    for function in (
        lambda: cross_entropy(x_ND, table_VD, labels_N, 0.1)[0],
        lambda: -tf.reduce_sum(target_NV * tf.nn.log_softmax(x_ND @ tf.transpose(table_VD)), -1),
    ):
        with tf.GradientTape() as tape:
            tape.watch([x_ND, table_VD])
            loss = tf.reduce_sum(weight_N * function())
        results.append([tf.convert_to_tensor(gradient) for gradient in tape.gradient(loss, [x_ND, table_VD])])
    for mine, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-6)
