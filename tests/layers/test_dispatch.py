"""Dispatch of tokens to experts and back, against a table made by hand and a dense reference."""

import keras
import numpy as np
import pytest
from keras import ops

from t2t_mm.layers.dispatch import from_experts, route, to_experts

EXPERTS, CAPACITY, NOWHERE = 3, 2, 3
EXPERT_Nk = np.array([[1, 0], [1, 2], [NOWHERE, NOWHERE], [1, 0]], "int32")  # token 2 is a pad
# Expert 0 takes tokens 0 and 3, expert 1 tokens 0 and 1, with no slot left for token 3; expert 2 takes token 1.
SLOT_Nk = [[2, 0], [3, 4], [6, 6], [6, 1]]
PAIR_S = [0 * 2 + 1, 3 * 2 + 1, 0 * 2 + 0, 1 * 2 + 0, 1 * 2 + 1, 8]
X_ND = np.array([[1, 10], [2, 20], [3, 30], [4, 40]], "float32")


@pytest.fixture
def routes():
    return route(ops.convert_to_tensor(EXPERT_Nk), EXPERTS, CAPACITY)


def values(result):
    return ops.convert_to_numpy(result)


def test_tokens_get_slots_in_their_order_and_padding_gets_none(routes):
    np.testing.assert_array_equal(values(routes.slot_Nk), SLOT_Nk)
    np.testing.assert_array_equal(values(routes.pair_S), PAIR_S)


def test_each_slot_holds_its_token_and_an_empty_slot_zeros(routes):
    slots_SD = values(to_experts(ops.convert_to_tensor(X_ND), routes, 2))
    np.testing.assert_array_equal(slots_SD, [X_ND[0], X_ND[3], X_ND[0], X_ND[1], X_ND[1], [0, 0]])


def test_each_choice_reads_its_slot_and_one_without_a_slot_zeros(routes):
    output_SD = np.arange(12, dtype="float32").reshape(6, 2) + 1
    output_NkD = values(from_experts(ops.convert_to_tensor(output_SD), routes))
    expected = [[output_SD[2], output_SD[0]], [output_SD[3], output_SD[4]], [[0, 0], [0, 0]], [[0, 0], output_SD[1]]]
    np.testing.assert_array_equal(output_NkD, expected)


@pytest.mark.parametrize("capacity", [1, 4, 40])
def test_every_pair_gets_one_slot_unless_it_is_over_capacity(capacity):
    expert_Nk = np.argsort(np.random.default_rng(0).random((20, 5)), axis=1)[:, :2].astype("int32")
    routes = route(ops.convert_to_tensor(expert_Nk), 5, capacity)
    slot_M, pair_S = values(routes.slot_Nk).ravel(), values(routes.pair_S)
    counts = [0] * 5
    for pair, (expert, slot) in enumerate(zip(expert_Nk.ravel(), slot_M, strict=True)):
        if counts[expert] < capacity:
            assert slot == expert * capacity + counts[expert]
            assert pair_S[slot] == pair
        else:
            assert slot == 5 * capacity
        counts[expert] += 1
    assert (pair_S < 40).sum() == (slot_M < 5 * capacity).sum() == sum(min(count, capacity) for count in counts)


@pytest.mark.parametrize("capacity", [2, 4])
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="differentiates with TensorFlow")
def test_dispatch_has_the_values_and_gradients_of_the_dense_sum_over_experts(capacity):
    import tensorflow as tf

    rng = np.random.default_rng(1)
    x_ND, upstream_ND = (tf.constant(rng.normal(size=(6, 3)), "float32") for _ in range(2))
    weights_EDD = tf.constant(rng.normal(size=(3, 3, 3)), "float32")
    gates_Nk = tf.constant(rng.random((6, 2)), "float32")
    expert_Nk = np.array([[0, 1], [0, 2], [0, 1], [3, 3], [0, 1], [2, 0]], "int32")
    choice_NE = np.zeros((6, 3), "int32")  # 1 + the choice of token n that is expert e; 0 if none is or e is full
    for n, j in np.ndindex(6, 2):
        expert = expert_Nk[n, j]
        if expert < 3 and np.count_nonzero(choice_NE[:, expert]) < capacity:
            choice_NE[n, expert] = 1 + j

    def dispatched(x_ND, weights_EDD, gates_Nk):
        routes = route(tf.constant(expert_Nk), 3, capacity)
        slots_ECD = tf.reshape(to_experts(x_ND, routes, 2), (3, capacity, 3))
        output_NkD = from_experts(tf.reshape(tf.matmul(slots_ECD, weights_EDD), (-1, 3)), routes)
        return tf.reduce_sum(output_NkD * gates_Nk[..., None], axis=1)

    def dense(x_ND, weights_EDD, gates_Nk):
        gates_NE = tf.gather(tf.pad(gates_Nk, [[0, 0], [1, 0]]), choice_NE, batch_dims=1)
        return tf.einsum("nd,edf,ne->nf", x_ND, weights_EDD, gates_NE)

    results = []
    for function in (dispatched, dense):
        with tf.GradientTape() as tape:
            tape.watch([x_ND, weights_EDD, gates_Nk])
            out_ND = function(x_ND, weights_EDD, gates_Nk)
        results.append([out_ND, *tape.gradient(out_ND, [x_ND, weights_EDD, gates_Nk], upstream_ND)])
    for mine, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-5)
