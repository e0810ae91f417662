"""One step of each rule by hand, and several steps compared with Keras' own if the two agree."""

import keras
import numpy as np
import pytest
from building_blocks import drawn_in as drawn
from keras import ops

from t2t_mm.hparam_set import OPTIMIZERS, TrainingHparams
from t2t_mm.train.optim.optimizer import RULES

HPARAMS = TrainingHparams(adam_beta1=0.5, adam_beta2=0.75, adam_epsilon=0.0, momentum=0.5)


def tensor(values):
    return ops.convert_to_tensor(np.array(values, "float32"))


def steps(name, start, gradients, rates, hparams=HPARAMS):
    """Return the weight after these steps, and the rule's slots."""
    weight, slots = tensor(start), {n: ops.zeros(s) for n, s in RULES[name].slots(np.shape(start)).items()}
    for count, (gradient, rate) in enumerate(zip(gradients, rates, strict=True), start=1):
        arguments = (tensor(gradient), tensor(rate), tensor(float(count)))
        weight, slots = RULES[name].updated(weight, slots, *arguments, hparams)
    return ops.convert_to_numpy(weight), {name: ops.convert_to_numpy(slot) for name, slot in slots.items()}


def test_the_table_names_every_rule_that_the_hparam_takes():
    assert tuple(RULES) == OPTIMIZERS


def test_adam_by_hand():
    # t=1: m=1, v=1, corrected by 1/2 and 1/4 to 2 and 4: a step of 2 / sqrt(4) = 1 rate.
    # t=2: m=0.5, v=0.75, scale sqrt(7/16) / (3/4): 0.5 * 0.8819 / 0.8660 = 0.50918 rate.
    weight, slots = steps("adam", [1.0], [[2.0], [0.0]], [0.5, 0.1])
    assert weight == pytest.approx(1 - 0.5 - 0.050918, abs=1e-5)
    assert (slots["m"], slots["v"]) == ([0.5], [0.75])


def test_momentum_by_hand_keeps_gradients_and_not_steps():
    weight, slots = steps("momentum", [1.0], [[2.0], [1.0]], [0.5, 0.1])
    assert slots["m"] == [2.0]  # 0.5 * 2 + 1
    assert weight == pytest.approx(1 - 0.5 * 2 - 0.1 * 2)
    ahead, _ = steps("momentum", [1.0], [[2.0]], [0.5], TrainingHparams(momentum=0.5, momentum_nesterov=True))
    assert ahead == pytest.approx(1 - 0.5 * (2 + 0.5 * 2))


@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum_at_one_rate_is_that_of_keras(nesterov):
    gradients = [drawn((2, 3), seed) for seed in range(1, 6)]
    ours, _ = steps(
        "momentum", drawn((2, 3), 0), gradients, [0.1] * 5, TrainingHparams(momentum=0.9, momentum_nesterov=nesterov)
    )
    assert_keras(ours, keras.optimizers.SGD(0.1, momentum=0.9, nesterov=nesterov), gradients)


def test_rmsprop_by_hand():
    # t=1: v = 3/4 * 0 + 1/4 * 16 = 4, m = 0.5 * 4 / 2 = 1.  t=2: v = 3/4 * 4 + 1/4 * 4 = 4, m = 1/2 * 1 + 0.1 * 2 / 2.
    hparams = TrainingHparams(momentum=0.5, rmsprop_decay=0.75, rmsprop_epsilon=1e-12)
    weight, slots = steps("rmsprop", [1.0], [[4.0], [2.0]], [0.5, 0.1], hparams)
    assert (slots["v"], slots["m"]) == (pytest.approx(4.0), pytest.approx(0.6))
    assert weight == pytest.approx(1 - 1 - 0.6, abs=1e-6)


@pytest.mark.parametrize(("momentum", "decay", "rates"), [(0.0, 0.9, [0.1] * 5), (0.9, 0.5, [0.1, 0.2, 0.0, 0.1, 0.3])])
def test_rmsprop_is_that_of_keras_at_rates_that_change_too(momentum, decay, rates):
    gradients = [drawn((2, 3), seed) for seed in range(1, 6)]
    hparams = TrainingHparams(momentum=momentum, rmsprop_decay=decay, rmsprop_epsilon=1e-3)
    ours, _ = steps("rmsprop", drawn((2, 3), 0), gradients, rates, hparams)
    theirs = keras.optimizers.RMSprop(0.1, rho=decay, momentum=momentum, epsilon=1e-3)
    assert_keras(ours, theirs, gradients, rates)


def test_a_weight_without_a_gradient_stands_still_under_rmsprop():
    weight, _ = steps("rmsprop", [1.0], [[0.0]], [1.0], TrainingHparams(rmsprop_epsilon=1e-30))
    assert weight == [1.0]


@pytest.mark.parametrize("shape", [(4,), (2, 3), (3, 2, 4)])
def test_adafactor_is_that_of_keras_without_its_own_schedule(shape):
    gradients = [drawn(shape, seed) for seed in range(1, 6)]
    ours, slots = steps("adafactor", drawn(shape, 0), gradients, [0.1] * 5)
    assert {name: slot.shape for name, slot in slots.items()} == {
        (4,): {"v": (4,)},
        (2, 3): {"r": (2,), "c": (3,)},
        (3, 2, 4): {"r": (3, 2), "c": (3, 4)},
    }[shape]
    assert_keras(ours, keras.optimizers.Adafactor(0.1, relative_step=False), gradients)


def test_adafactor_by_hand():
    # t=1 forgets the zeros: r = (2.5, 0), c = (0.5, 2), mean(r) = 1.25: u = g / sqrt(r c / 1.25) = (1, 1) in the first
    # row, and the root mean square of u is sqrt(1/2), below 1. rms(theta) = 2.
    weight, slots = steps("adafactor", [[2.0, -2.0], [2.0, 2.0]], [[[1.0, 2.0], [0.0, 0.0]]], [0.1])
    np.testing.assert_allclose(slots["r"], [2.5, 0], atol=1e-6)
    np.testing.assert_allclose(slots["c"], [0.5, 2], atol=1e-6)
    np.testing.assert_allclose(weight, [[2 - 0.2, -2 - 0.2], [2, 2]], atol=1e-6)


def test_adafactor_clips_the_step_and_may_leave_out_the_size_of_the_weight():
    hparams = TrainingHparams(adafactor_clipping_threshold=0.5, adafactor_multiply_by_parameter_scale=False)
    weight, _ = steps("adafactor", [1.0, 1.0], [[3.0, -3.0]], [0.1], hparams)
    np.testing.assert_allclose(weight, [1 - 0.05, 1 + 0.05], atol=1e-6)


def test_a_weight_of_zeros_moves_under_adafactor():
    weight, _ = steps("adafactor", [0.0, 0.0], [[3.0, -3.0]], [1.0])
    np.testing.assert_allclose(weight, [-1e-3, 1e-3], rtol=1e-4)


def assert_keras(ours, optimizer, gradients, rates=None):
    theirs = keras.Variable(drawn(gradients[0].shape, 0))
    for place, gradient in enumerate(gradients):
        if rates is not None:
            optimizer.learning_rate = rates[place]
        optimizer.apply([tensor(gradient)], [theirs])
    np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-4, atol=1e-6)
