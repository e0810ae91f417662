"""The autoregressive loop and greedy search, over a net of tables."""

import keras
import numpy as np
import pytest
from keras import ops

from t2t_mm.decoding.autoregressive_loop import greedy_search, log_probabilities
from t2t_mm.decoding.compiled import for_each_shape

A, B, C = 2, 3, 4
STAYS_AND_LEAVES = (
    {0: {A: 0.6, B: 0.4}, A: {1: 0.4, B: 0.35, C: 0.25}},  # a, end
    {0: {B: 0.9, C: 0.1}, B: {C: 0.8, 1: 0.2}, C: {1: 0.7, A: 0.3}},  # b, c, end
    {0: {A: 1.0}, A: {A: 0.9, 1: 0.1}},  # a for ever
)


def run(net, memory, limits, positions=6, **kwargs):
    rows = len(limits)
    state, x_B1D = net.start("spell", memory, positions), net.first("spell", rows)
    ids_BT, log_probs_B = greedy_search(
        net, "spell", state, x_B1D, ops.convert_to_tensor(limits, "int32"), positions, **kwargs
    )
    return ops.convert_to_numpy(ids_BT), ops.convert_to_numpy(log_probs_B)


def test_greedy_search_writes_the_most_likely_id_at_every_position_and_pads_after_the_end(chain_net, memory_of):
    ids_BT, log_probs_B = run(chain_net(*STAYS_AND_LEAVES), memory_of(0, 1), limits=[6, 6])
    np.testing.assert_array_equal(ids_BT, [[A, 1, 0, 0, 0, 0], [B, C, 1, 0, 0, 0]])
    np.testing.assert_allclose(np.exp(log_probs_B), [0.6 * 0.4, 0.9 * 0.8 * 0.7], rtol=1e-5)


def test_greedy_search_of_a_row_without_an_end_stops_at_its_own_limit(chain_net, memory_of):
    ids_BT, log_probs_B = run(chain_net(*STAYS_AND_LEAVES), memory_of(2, 2), limits=[3, 6])
    np.testing.assert_array_equal(ids_BT, [[A, A, A, 0, 0, 0], [A] * 6])
    np.testing.assert_allclose(np.exp(log_probs_B), [0.9**2, 0.9**5], rtol=1e-5)


def test_a_row_without_an_example_writes_nothing(chain_net, memory_of):
    ids_BT, log_probs_B = run(chain_net(*STAYS_AND_LEAVES), memory_of(1, 2), limits=[4, 0])
    np.testing.assert_array_equal(ids_BT, [[B, C, 1, 0, 0, 0], [0] * 6])
    assert log_probs_B[1] == 0


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="counts calls of a loop that is not traced")
def test_the_autoregressive_loop_stops_once_every_row_has_ended(chain_net, memory_of, monkeypatch):
    net, calls = chain_net(*STAYS_AND_LEAVES), []
    step = net.step
    monkeypatch.setattr(net, "step", lambda *args: calls.append(1) or step(*args))
    run(net, memory_of(0, 1), limits=[60, 60], positions=60)
    assert len(calls) == 3


def test_greedy_search_never_writes_the_pad_however_likely(chain_net, memory_of):
    ids_BT, log_probs_B = run(chain_net({0: {0: 0.7, A: 0.2, B: 0.1}}), memory_of(0), limits=[6])
    np.testing.assert_array_equal(ids_BT, [[A, 1, 0, 0, 0, 0]])
    np.testing.assert_allclose(np.exp(log_probs_B), [2 / 3], rtol=1e-5)  # among the ids that may be written


def test_log_probabilities_exclude_the_pad_and_are_float32():
    logits_BV = ops.convert_to_tensor([[9.0, np.log(1.0), np.log(3.0)]], "bfloat16")
    log_probs_BV = log_probabilities(logits_BV)
    assert keras.backend.standardize_dtype(log_probs_BV.dtype) == "float32"
    np.testing.assert_allclose(np.exp(ops.convert_to_numpy(log_probs_BV)), [[0, 0.25, 0.75]], atol=2e-3)


def test_compiled_greedy_search_equals_greedy_search_and_uses_changed_weights(chain_net, memory_of):
    net = chain_net(*STAYS_AND_LEAVES)
    program = for_each_shape(
        lambda state, x_B1D, limits_B: greedy_search(net, "spell", state, x_B1D, limits_B, 6), net.variables
    )
    args = (net.start("spell", memory_of(0, 1), 6), net.first("spell", 2), ops.convert_to_tensor([6, 6], "int32"))
    ids_BT, log_probs_B = run(net, memory_of(0, 1), limits=[6, 6])
    fast_ids_BT, fast_log_probs_B = program(*args)
    np.testing.assert_array_equal(fast_ids_BT, ids_BT)
    np.testing.assert_allclose(fast_log_probs_B, log_probs_B, rtol=1e-5)
    net.table.assign(net.table * 0 + np.array([0, 0, 0, 0, 5.0]))
    assert np.all(ops.convert_to_numpy(program(*args)[0]) == C)
