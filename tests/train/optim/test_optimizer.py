"""Updates of the weights that a step used, with a step count for every net."""

from contextlib import ExitStack
from dataclasses import replace

import keras
import numpy as np
import pytest
from building_blocks import drawn_in as drawn
from keras import ops

from t2t_mm.errors import UserError
from t2t_mm.hparam_set import OPTIMIZERS, TrainingHparams
from t2t_mm.train.optim.optimizer import Optimizer, frozen_paths, unit_of

HPARAMS = TrainingHparams(adam_beta1=0.8, adam_beta2=0.9, adam_epsilon=1e-3)
ENCODER, DECODER, TEXT = "net/body/encoder/kernel", "net/body/decoder/kernel", "net/text_words/embed/rows"
TABLE = "net/commands/rows"
COMMANDS = ["generic", "to-german", "to-tree"]
SHAPES = {ENCODER: (2, 3), DECODER: (4,), TEXT: (3, 2), TABLE: (3, 2)}


def weight(path):
    *scopes, name = path.split("/")
    with ExitStack() as stack:
        for scope in scopes:
            stack.enter_context(keras.name_scope(scope))
        return keras.Variable(drawn(SHAPES[path]), name=name)


def optimizer(**changes):
    return Optimizer([weight(path) for path in SHAPES], COMMANDS, replace(HPARAMS, **changes))


@pytest.fixture
def adam():
    return optimizer()


def apply(adam, paths, seed, rate=0.1, command=1):
    """Take one step on the weights at `paths`; return its gradients."""
    gradients = {path: drawn(SHAPES[path], seed) for path in paths}
    if TABLE in gradients:  # as the gradient of a look-up is: zero but in the row that was read
        gradients[TABLE] = gradients[TABLE] * (np.arange(3) == command)[:, None].astype("float32")
    tensors = {path: ops.convert_to_tensor(g) for path, g in gradients.items()}
    adam.apply(tensors, ops.convert_to_tensor(rate), ops.convert_to_tensor(command))
    return gradients


def by_hand(gradients, start, rates):
    """Return theta after these gradients of one weight, by Kingma and Ba's formulas as Keras rearranges them."""
    m, v, theta = 0.0, 0.0, start.astype("float64")
    for t, (g, rate) in enumerate(zip(gradients, rates, strict=True), start=1):
        m, v = 0.8 * m + 0.2 * g, 0.9 * v + 0.1 * g**2
        theta = theta - rate * np.sqrt(1 - 0.9**t) / (1 - 0.8**t) * m / (np.sqrt(v) + 1e-3)
    return theta


def test_the_unit_of_a_weight_is_its_part_of_the_body_or_of_a_modality_net():
    assert unit_of("net/body/encoder/block_1/step_1/norm/scale") == "body/encoder"
    assert unit_of("net/text_words/score/rows") == "text_words/score"


def test_five_steps_are_those_of_keras_adam(adam):
    theirs = keras.Variable(drawn(SHAPES[ENCODER]))
    keras_adam = keras.optimizers.Adam(0.1, beta_1=0.8, beta_2=0.9, epsilon=1e-3)
    for seed in range(1, 6):
        gradient = apply(adam, [ENCODER], seed)[ENCODER]
        keras_adam.apply([ops.convert_to_tensor(gradient)], [theirs])
        np.testing.assert_allclose(adam.weights[ENCODER].numpy(), theirs.numpy(), rtol=1e-5)


def test_the_rate_may_change_from_step_to_step(adam):
    rates = [0.1, 0.0, 0.3]
    gradients = [apply(adam, [ENCODER], seed, rate)[ENCODER] for seed, rate in enumerate(rates, start=1)]
    expected = by_hand(gradients, drawn(SHAPES[ENCODER]), rates)
    np.testing.assert_allclose(adam.weights[ENCODER].numpy(), expected, rtol=1e-5)


SLOTS = {"adam": "mv", "adam_w": "mv", "adafactor": "rc", "momentum": "m", "rmsprop": "vm", "muon": "m"}


@pytest.mark.parametrize("rule", OPTIMIZERS)
def test_weights_that_a_step_does_not_use_keep_their_values_slots_and_counts(rule):
    adam = optimizer(optimizer=rule, ema_decay=0.9, weight_decay=0.1)
    apply(adam, SHAPES, seed=1)
    before = {path: weight.numpy() for path, weight in adam.weights.items()} | adam.tensors()
    apply(adam, [ENCODER, TEXT], seed=2)
    after = {path: weight.numpy() for path, weight in adam.weights.items()} | adam.tensors()
    moved = {name for name in before if (before[name] != after[name]).any()}
    slots = {ENCODER: SLOTS[rule], TEXT: "mv" if rule == "muon" else SLOTS[rule]}  # Muon leaves tables to AdamW
    own = {ENCODER, TEXT, *(f"{path}/{slot}" for path in slots for slot in (*slots[path], "average"))}
    assert moved == own | {"steps/body/encoder", "steps/text_words/embed"}


def test_a_net_that_first_trains_late_moves_by_about_the_rate_as_at_the_start(adam):
    adam.restore(adam.tensors() | {"steps/body/encoder": np.array([999.0], "float32")})
    start = adam.weights[DECODER].numpy()
    gradient = apply(adam, [ENCODER, DECODER], seed=1)[DECODER]
    np.testing.assert_allclose(adam.weights[DECODER].numpy() - start, -0.1 * np.sign(gradient), rtol=0.02)
    assert adam.tensors()["steps/body/encoder"] == [1000]
    assert adam.tensors()["steps/body/decoder"] == [1]


def test_a_command_moves_its_own_row_alone_and_counts_its_own_steps(adam):
    start = adam.weights[TABLE].numpy()
    by_row = {0: [], 1: [], 2: []}
    for seed, command in enumerate([1, 2, 1, 1], start=1):
        by_row[command].append(apply(adam, [ENCODER, TABLE], seed, command=command)[TABLE][command])
    expected = [by_hand(by_row[row], start[row], [0.1] * len(by_row[row])) for row in range(3)]
    np.testing.assert_allclose(adam.weights[TABLE].numpy(), expected, rtol=1e-4)
    tensors = adam.tensors()
    assert [float(tensors[f"steps/commands/{command}"][0]) for command in COMMANDS] == [0, 3, 1]
    assert tensors["steps/body/encoder"] == [4]
    assert not tensors["net/commands/generic/m"].any() and not tensors["net/commands/generic/v"].any()


def test_tensors_name_every_moment_by_its_weight_and_every_command_by_its_name(adam):
    moments = [f"{path}/{slot}" for path in (ENCODER, DECODER, TEXT) for slot in "mv"]
    moments += [f"net/commands/{command}/{slot}" for command in COMMANDS for slot in "mv"]
    units = ["body/decoder", "body/encoder", "text_words/embed", *(f"commands/{command}" for command in COMMANDS)]
    assert sorted(adam.tensors()) == sorted(moments + [f"steps/{unit}" for unit in units])


@pytest.mark.parametrize("rule", OPTIMIZERS)
def test_a_restored_optimizer_continues_to_the_last_bit(rule):
    adam = optimizer(optimizer=rule, ema_decay=0.9, weight_decay=0.1)
    for seed in range(1, 4):
        apply(adam, SHAPES, seed)
    other = Optimizer([weight(path) for path in reversed(SHAPES)], COMMANDS, adam.hparams)
    other.restore(adam.tensors())
    for path in SHAPES:
        other.weights[path].assign(adam.weights[path].numpy())
    for each in (adam, other):
        apply(each, SHAPES, seed=4, command=2)
    for path in SHAPES:
        np.testing.assert_array_equal(adam.weights[path].numpy(), other.weights[path].numpy())
    for name, tensor in adam.tensors().items():
        np.testing.assert_array_equal(other.tensors()[name], tensor)


def test_weight_decay_adds_to_the_gradients_of_weights_with_two_axes_and_of_the_command_in_use():
    sgd = optimizer(optimizer="momentum", momentum=0.0, weight_decay=0.5)
    start = {path: weight.numpy() for path, weight in sgd.weights.items()}
    gradients = {path: ops.zeros(SHAPES[path]) for path in (ENCODER, DECODER, TABLE)}
    decayed = sgd.decayed(gradients, ops.convert_to_tensor(1))
    np.testing.assert_allclose(decayed[ENCODER], 0.5 * start[ENCODER], rtol=1e-6)
    assert not np.any(decayed[DECODER])
    np.testing.assert_allclose(decayed[TABLE], 0.5 * start[TABLE] * [[0], [1], [0]], rtol=1e-6)
    assert decayed.keys() == gradients.keys()


def test_decoupled_decay_shrinks_the_weight_by_the_rate_and_not_the_gradient():
    adam_w, adam = optimizer(optimizer="adam_w", weight_decay=0.5), optimizer()
    start = {path: weight.numpy() for path, weight in adam.weights.items()}
    gradients = {path: ops.convert_to_tensor(drawn(SHAPES[path], 1)) for path in SHAPES}
    decayed = adam_w.decayed(gradients, ops.convert_to_tensor(1))
    assert decayed.keys() == gradients.keys() and all(decayed[path] is gradients[path] for path in gradients)
    for each in (adam, adam_w):
        apply(each, SHAPES, seed=1, rate=0.1, command=1)
    for path in SHAPES:
        shrunk = 0.05 * start[path] * {DECODER: 0, TABLE: np.array([[0], [1], [0]])}.get(path, 1)
        np.testing.assert_allclose(adam_w.weights[path].numpy(), adam.weights[path].numpy() - shrunk, atol=1e-6)


def test_five_steps_are_those_of_keras_adam_w():
    ours = optimizer(optimizer="adam_w", weight_decay=0.3)
    theirs = keras.Variable(drawn(SHAPES[ENCODER]))
    keras_adam = keras.optimizers.AdamW(0.1, weight_decay=0.3, beta_1=0.8, beta_2=0.9, epsilon=1e-3)
    for seed in range(1, 6):
        gradient = apply(ours, [ENCODER], seed)[ENCODER]
        keras_adam.apply([ops.convert_to_tensor(gradient)], [theirs])
        np.testing.assert_allclose(ours.weights[ENCODER].numpy(), theirs.numpy(), rtol=1e-5, atol=1e-6)


def test_averages_follow_the_weights_by_the_steps_of_their_net():
    adam = optimizer(ema_decay=0.3)
    start, average = adam.weights[ENCODER].numpy(), adam.weights[ENCODER].numpy()
    for seed, decay in enumerate([2 / 11, 3 / 12, 0.3, 0.3], start=1):  # (1 + t) / (10 + t), at most ema_decay
        apply(adam, [ENCODER, TEXT] if seed == 1 else [ENCODER], seed)
        average = decay * average + (1 - decay) * adam.weights[ENCODER].numpy()
        np.testing.assert_allclose(adam.tensors()[f"{ENCODER}/average"], average, rtol=1e-5)
    assert abs(average - start).max() > 0.1
    text = 2 / 11 * drawn(SHAPES[TEXT]) + 9 / 11 * adam.weights[TEXT].numpy()
    np.testing.assert_allclose(adam.tensors()[f"{TEXT}/average"], text, rtol=1e-5)
    np.testing.assert_array_equal(adam.tensors()[f"{DECODER}/average"], drawn(SHAPES[DECODER]))


def test_the_average_of_a_command_follows_its_own_row():
    adam = optimizer(ema_decay=0.9)
    apply(adam, [TABLE], seed=1, command=2)
    row = 2 / 11 * drawn(SHAPES[TABLE])[2] + 9 / 11 * adam.weights[TABLE].numpy()[2]
    np.testing.assert_allclose(adam.tensors()["net/commands/to-tree/average"], row, rtol=1e-5)
    np.testing.assert_array_equal(adam.tensors()["net/commands/generic/average"], drawn(SHAPES[TABLE])[0])


def test_averages_are_swapped_with_the_weights_and_back_to_the_last_bit():
    adam = optimizer(ema_decay=0.9)
    apply(adam, SHAPES, seed=1)
    weights = {path: weight.numpy() for path, weight in adam.weights.items()}
    slots = adam.tensors()
    adam.swap_averages()
    np.testing.assert_array_equal(adam.weights[ENCODER].numpy(), slots[f"{ENCODER}/average"])
    np.testing.assert_array_equal(adam.tensors()[f"{ENCODER}/average"], weights[ENCODER])
    adam.swap_averages()
    for path, value in weights.items():
        np.testing.assert_array_equal(adam.weights[path].numpy(), value)
    for name, value in adam.tensors().items():
        np.testing.assert_array_equal(value, slots[name])


def test_frozen_parts_have_no_weights_in_the_optimizer():
    part = optimizer(freeze="body/encoder text_*")
    assert part.weights.keys() == {DECODER, TABLE}
    assert not [name for name in part.tensors() if "encoder" in name or "text" in name]


def test_weights_that_are_frozen_stay_at_the_averages_that_they_were_evaluated_with():
    names = [ENCODER, DECODER, "net/commands/generic", "steps/body/encoder"]
    there = {name: np.full(2, 1.0) for name in names} | {f"{name}/average": np.full(2, 5.0) for name in names[:3]}
    standing = optimizer(freeze="body/encoder", ema_decay=0.9).settled(there)
    assert [standing[name][0] for name in names] == [5, 1, 1, 1]
    assert [optimizer(freeze="commands").settled(there)[name][0] for name in names] == [1, 1, 5, 1]
    assert [optimizer().settled(there)[name][0] for name in names] == [1, 1, 1, 1]


def test_a_name_freezes_what_lies_at_or_below_it_and_letters_stand_for_themselves():
    paths = ["net/body/encoder/in", "net/body/encoder_2/in", "net/body/encoder/block/in", "net/text_words/embed/rows"]
    assert frozen_paths(paths, "body/encoder") == {paths[0], paths[2]}
    assert frozen_paths(paths, "body/*/in") == {paths[0], paths[1], paths[2]}
    assert frozen_paths(paths, "") == set()


def test_names_that_freeze_nothing_or_everything_are_refused():
    with pytest.raises(
        UserError, match="freeze=body/encodr names no part of the net. Its parts: body/decoder, body/enc"
    ):
        optimizer(freeze="body/encodr")
    with pytest.raises(UserError, match="leaves nothing to train"):
        optimizer(freeze="*")
