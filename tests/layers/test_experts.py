"""The sparsely gated mixture of experts and its load balancing losses."""

import math

import keras
import numpy as np
import pytest
from building_blocks import drawn
from keras import ops

from t2t_mm.errors import UserError
from t2t_mm.layers.experts import LARGE_MATRIX, NOISE_FLOOR, Experts, imbalance
from t2t_mm.layers.forward import Forward, Noise, Watched


def make(width, experts, per_token, size=None, capacity=2.0, balance=1.0):
    layer = Experts(
        experts=experts, per_token=per_token, size=size or width, capacity=capacity, balance=balance, name="experts"
    )
    layer.build(width)
    return layer


def multiplying(per_token):
    """Three experts over three channels; the output of expert e is (e + 1) * relu(x), gated by the channels."""
    layer = make(3, 3, per_token)
    layer.gate_DE.assign(np.eye(3))
    layer.hidden_EDH.assign([np.eye(3) * (e + 1) for e in range(3)])
    layer.output_EHD.assign([np.eye(3)] * 3)
    return layer


def norm(x):
    x = np.asarray(x, "float64")
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6)


def run(layer, x_BLD, real_BL=None, forward=None):
    real_BL = np.ones(x_BLD.shape[:2], bool) if real_BL is None else real_BL
    return ops.convert_to_numpy(
        layer(ops.convert_to_tensor(x_BLD), ops.convert_to_tensor(real_BL), forward or Forward())
    )


def training(seed=1):
    return Forward(Noise(np.uint32(seed)))


def test_branch_dropout_applies_to_the_experts_output_and_not_to_the_residual_connection():
    layer = Experts(
        experts=3, per_token=1, size=4, capacity=3.0, balance=1.0, branch_dropout=0.5, name="experts"
    )  # a capacity that drops no choice
    layer.build(4)
    layer.gate_noise_DE.assign(np.full((4, 3), -50.0))
    layer.hidden_EDH.assign([np.eye(4)] * 3)
    layer.output_EHD.assign([np.eye(4)] * 3)  # the output of every expert is relu(x)
    layer.norm.call = lambda x: x
    x_BLD = np.ones((2, 9, 4), "float32")
    assert (run(layer, x_BLD) == 2).all()
    assert set(run(layer, x_BLD, forward=training()).ravel()) == {1, 3}


def test_a_token_is_routed_to_one_of_three_experts():
    x_BLD = np.array([[[2, 0, -1], [-1, 0, 3]]], "float32")  # to expert 0 and to expert 2
    np.testing.assert_allclose(run(multiplying(1), x_BLD)[0], norm([[4, 0, -1], [-1, 0, 12]]), atol=1e-5)


def test_two_of_three_experts_are_weighted_by_the_softmax_over_the_two():
    x_BLD = np.array([[[math.log(3), 0, -5]]], "float32")  # gates 3/4 and 1/4: 3/4 * 1 + 1/4 * 2 = 5/4
    expected = norm([math.log(3) * (1 + 5 / 4), 0, -5])
    np.testing.assert_allclose(run(multiplying(2), x_BLD)[0, 0], expected, atol=1e-5)


@pytest.mark.parametrize(("experts", "per_token"), [(4, 4), (4, 5), (4, 0)])
def test_as_many_choices_as_experts_are_refused_because_the_load_is_not_defined(experts, per_token):
    with pytest.raises(UserError, match=f"{per_token} of {experts}"):
        Experts(experts=experts, per_token=per_token, size=4, capacity=1.0, balance=0.0, name="experts")


@pytest.mark.parametrize("length", [10, 100])  # with static shapes, 200 tokens need two rounds
def test_no_choice_is_dropped_outside_training_even_if_all_choose_one_expert(length):
    x_BLD = np.abs(drawn(2, length, 3)) * [9, 1, 1] + [9, 0, 0]  # all to expert 0
    np.testing.assert_allclose(run(multiplying(1), x_BLD.astype("float32")), norm(2 * x_BLD), atol=1e-5)


def test_an_output_outside_training_depends_on_its_own_position_only(scrambled):
    layer = scrambled(make(6, 8, 2))
    x_BLD = drawn(3, 5, 6)
    full_BLD = run(layer, x_BLD)
    for b, t in np.ndindex(3, 5):
        np.testing.assert_allclose(run(layer, x_BLD[b : b + 1, t : t + 1])[0, 0], full_BLD[b, t], atol=1e-5)


@pytest.mark.parametrize("rows", [1, 4, 5])  # with eight experts and two choices: slices up to four rows, then dispatch
def test_a_stepwise_pass_through_experts_equals_the_full_pass(rows, scrambled):
    layer = scrambled(make(6, 8, 2))
    x_BD = drawn(rows, 6)
    stepped_BD = ops.convert_to_numpy(layer.step(ops.convert_to_tensor(x_BD)))
    np.testing.assert_allclose(stepped_BD, run(layer, x_BD[:, None])[:, 0], atol=1e-5)


def test_a_stepwise_pass_through_large_experts_with_grouped_sums_equals_the_full_pass(scrambled):
    layer = scrambled(make(260, 3, 1, size=LARGE_MATRIX // 260 + 1))
    x_BD = drawn(2, 260)
    stepped_BD = ops.convert_to_numpy(layer.step(ops.convert_to_tensor(x_BD)))
    np.testing.assert_allclose(stepped_BD, run(layer, x_BD[:, None])[:, 0], atol=1e-4)


def test_tokens_over_capacity_in_training_are_dropped_and_counted():
    layer = make(4, 4, 1, capacity=1.0)
    layer.gate_DE.assign(100 * np.eye(4))  # far beyond the noise
    layer.hidden_EDH.assign([np.eye(4)] * 4)
    layer.output_EHD.assign([np.eye(4)] * 4)
    x_BLD = np.abs(drawn(2, 4, 4)) * 0.1 + np.array([9, 0, 0, 0], "float32")  # 8 tokens to expert 0, whose share is 2
    forward = training()
    assigned_BL1 = np.array([[1, 1, 0, 0], [0, 0, 0, 0]])[..., None]
    np.testing.assert_allclose(run(layer, x_BLD, forward=forward), norm(x_BLD * (1 + assigned_BL1)), atol=1e-4)
    assert float(forward.reports["experts/overflow"]) == pytest.approx(6 / 8)


def test_padding_gets_no_slot_and_no_weight(scrambled):
    layer = scrambled(make(4, 4, 2, capacity=4.0))
    x_BLD = drawn(1, 9, 4)
    alone, padded = training(), training()
    out_BLD = run(layer, x_BLD[:, :5], forward=alone)
    padded_BLD = run(layer, x_BLD, np.arange(9)[None] < 5, padded)
    np.testing.assert_allclose(padded_BLD[:, :5], out_BLD, atol=1e-5)
    np.testing.assert_allclose(
        padded_BLD[:, 5:], norm(x_BLD[:, 5:]) * layer.norm.scale_D.numpy() + layer.norm.shift_D, 1e-4
    )
    assert float(padded.penalties["experts"]) == pytest.approx(float(alone.penalties["experts"]), rel=1e-5)
    assert float(padded.reports["experts/overflow"]) == 0
    assert float(ops.sum(padded.reports["experts/importance"])) == pytest.approx(5)


@pytest.mark.parametrize(("load_E", "expected"), [([3, 3, 3, 3], 0), ([0, 0, 8, 0], 3), ([4, 4, 0, 0], 1)])
def test_imbalance_is_0_for_equal_loads_and_experts_less_one_if_one_has_all(load_E, expected):
    assert float(imbalance(ops.convert_to_tensor(load_E, "float32"))) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("per_token", [1, 3])
def test_the_load_balancing_loss_is_importance_and_load_by_their_formulas(per_token, scrambled):
    layer = scrambled(make(3, 5, per_token, balance=0.5))
    x_ND, real_N = drawn(7, 3), np.array([1, 1, 1, 0, 1, 1, 1], bool)
    forward = training(seed=11)
    run(layer, x_ND[None], real_N[None], forward)

    clean_NE = x_ND @ layer.gate_DE.numpy()
    scale_NE = np.log1p(np.exp(x_ND @ layer.gate_noise_DE.numpy())) + NOISE_FLOOR
    noisy_NE = clean_NE + scale_NE * ops.convert_to_numpy(Noise(np.uint32(11)).normal((7, 5), "experts"))
    importance_E, load_E = np.zeros(5), np.zeros(5)
    for n in np.flatnonzero(real_N):
        top = np.argsort(-noisy_NE[n])[:per_token]
        importance_E[top] += np.exp(noisy_NE[n, top]) / np.exp(noisy_NE[n, top]).sum()
        for i in range(5):
            kth_excluding = np.sort(np.delete(noisy_NE[n], i))[-per_token]
            z = (clean_NE[n, i] - kth_excluding) / scale_NE[n, i]
            load_E[i] += (1 + math.erf(z / 2**0.5)) / 2
    expected = 0.5 * sum(np.var(sums) / np.mean(sums) ** 2 for sums in (importance_E, load_E))
    assert float(forward.penalties["experts"]) == pytest.approx(expected, rel=1e-4)
    np.testing.assert_allclose(forward.reports["experts/importance"], importance_E, rtol=1e-4)


def test_gate_noise_spreads_tokens_over_the_experts_while_gates_are_zero():
    forward = training()
    run(make(4, 8, 2), drawn(10, 20, 4), forward=forward)
    importance_E = ops.convert_to_numpy(forward.reports["experts/importance"])
    assert importance_E.sum() == pytest.approx(200, rel=1e-4)
    assert (abs(importance_E - 25) < 10).all()


def test_initial_weights_of_an_expert_are_those_of_a_single_layer():
    keras.utils.set_random_seed(0)
    layer = make(50, 16, 2, size=80)
    assert layer.hidden_EDH.numpy().std() == pytest.approx((2 / 50) ** 0.5, rel=0.02)
    assert layer.output_EHD.numpy().std() == pytest.approx(80**-0.5, rel=0.02)
    assert not layer.gate_DE.numpy().any() and not layer.gate_noise_DE.numpy().any()


@pytest.mark.parametrize("forward", [Forward(watched=Watched()), Forward(Noise(np.uint32(1)), Watched())])
def test_a_watched_pass_records_the_load_and_importance_of_each_expert(forward):
    layer = multiplying(2)
    layer.gate_DE.assign(100 * np.eye(3))  # far beyond the noise
    x_BLD = np.array([[[3, 2, 1], [3, 1, 2], [1, 2, 3]], [[9, 8, 7], [2, 3, 1], [9, 8, 7]]], "float32")
    real_BL = np.array([[1, 1, 1], [0, 1, 0]], bool)
    run(layer, x_BLD, real_BL, forward)  # to experts 0 and 1, 0 and 2, 1 and 2, 0 and 1
    np.testing.assert_array_equal(forward.watched.load["experts"], [3, 3, 2])
    # Gates of 100 times the inputs' differences leave all weight to the first choice: 0, 0, 2 and 1.
    np.testing.assert_allclose(forward.watched.importance["experts"], [2, 1, 1], atol=1e-6)
