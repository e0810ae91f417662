"""The net: modality nets around one body."""

import keras
import numpy as np
import pytest
from building_blocks import built
from keras import ops

from t2t_mm.errors import UserError
from t2t_mm.feature import Port, Signature
from t2t_mm.layers.forward import Forward
from t2t_mm.models.net import Net, join_commands, split_commands
from t2t_mm.registry import HPARAM_SETS

WIDTH = 8
HPARAMS = HPARAM_SETS["multimodel_demo"]().override(
    f"hidden_size={WIDTH},encoder_blocks=1,decoder_blocks=1,experts=4,expert_size=6,attention_heads=2"
)
WORDS, TREES = Port("text", "text_words", 11), Port("text", "text_trees", 7)
IMAGE, SIZE, TONE = Port("image", "image", 0), Port("label", "label_size", 3), Port("label", "label_tone", 4)
PROBLEMS = {
    "to_german": Signature(WORDS, WORDS, "to-german"),
    "to_french": Signature(WORDS, WORDS, "to-french"),
    "parse": Signature(WORDS, TREES, "to-tree"),
    "name": Signature(IMAGE, SIZE, "to-label"),
    "tone": Signature(WORDS, TONE, "to-label"),
    "write": Signature(None, WORDS, "generic"),
}


@pytest.fixture(scope="module")
def net(scrambled):
    keras.utils.set_random_seed(0)
    return scrambled(made(PROBLEMS))


def made(problems, hparams=HPARAMS):
    return built(Net(problems, hparams))


@pytest.fixture(scope="module")
def in_both_orders():
    """Two nets of the same problems in opposite orders, from one seed."""
    nets = []
    for problems in (PROBLEMS, dict(reversed(PROBLEMS.items()))):
        keras.utils.set_random_seed(7)
        nets.append(made(problems))
    return nets


def text(lengths, most=6, size=7, seed=0):
    """Ids up to `lengths`, pads behind."""
    ids_BL = np.random.default_rng(seed).integers(2, size, (len(lengths), most), dtype="int32")
    ids_BL[np.arange(most)[None] >= np.array(lengths)[:, None]] = 0
    return {"ids": ids_BL, "lengths": np.array(lengths, "int32")}


def images(rows):
    return {"pixels": np.random.default_rng(0).integers(0, 256, (rows, 32, 32, 3)).astype("uint8")}


def classes(*indices):
    return {"class": np.array(indices, "int32")}


BATCHES = {
    "to_german": {"inputs": text([6, 3]), "targets": text([4, 6], seed=1)},
    "parse": {"inputs": text([6, 3]), "targets": text([4, 6], seed=1)},
    "name": {"inputs": images(2), "targets": classes(2, 0)},
    "tone": {"inputs": text([6, 3]), "targets": classes(3, 1)},
    "write": {"targets": text([4, 6], seed=1)},
}


def teacher_forced(net, problem, batch, command=None):
    command = np.int32(net.command(problem) if command is None else command)
    return [ops.convert_to_numpy(part) for part in net.teacher_forced(problem, batch, command)]


def loss(net, problem, batch):
    return net.loss(problem, batch, np.int32(net.command(problem)), Forward(), 0.1)


def with_noisy_pads(arrays, more=3):
    """The same texts with more pads behind, all of them full of words."""
    rows, most = arrays["ids"].shape
    ids_BL = np.random.default_rng(9).integers(2, 7, (rows, most + more), dtype="int32")
    for row, length in enumerate(arrays["lengths"]):
        ids_BL[row, :length] = arrays["ids"][row, :length]
    return {"ids": ids_BL, "lengths": arrays["lengths"]}


def test_problems_with_equal_ports_share_a_modality_net(net):
    assert sorted(net.modalities) == ["image", "label_size", "label_tone", "text_trees", "text_words"]
    assert net.kind("to_german") == net.kind("to_french") == (WORDS, WORDS)
    assert net.kind("write") == (None, WORDS)


def test_each_command_has_a_row_that_problems_share_by_name(net):
    assert net.commands == ["generic", "to-french", "to-german", "to-label", "to-tree"]
    assert net.command("name") == net.command("tone") == 3
    assert net.command_table.rows_VD.shape == (5, WIDTH)


def test_a_net_of_fewer_problems_has_the_same_paths_for_what_they_use(net):
    few = made({"parse": PROBLEMS["parse"]})
    shared = {path: tensor.shape for path, tensor in net.tensors().items()}
    for path, tensor in few.tensors().items():
        assert shared[path] == tensor.shape


@pytest.mark.parametrize("changes", ["experts=0", "attention=False", "experts=0,attention=False", "mixing=blocks"])
def test_the_papers_ablations_can_be_made(changes):
    ablated = made(PROBLEMS, HPARAMS.override(changes))
    assert np.isfinite(float(loss(ablated, "parse", BATCHES["parse"]).nats))
    paths = [weight.path for weight in ablated.trainable_variables]
    assert any("experts" in path for path in paths) == ("experts=0" not in changes)
    assert any("attention" in path for path in paths) == ("attention=False" not in changes)


@pytest.mark.parametrize("problem", BATCHES)
def test_the_loss_is_that_of_the_teacher_forced_logits(net, problem):
    logits_BTV, labels_BT, real_BT = teacher_forced(net, problem, BATCHES[problem])
    log_probs_BTV = logits_BTV - np.log(np.exp(logits_BTV).sum(axis=-1, keepdims=True))
    nats_BT = -np.take_along_axis(log_probs_BTV, labels_BT[..., None], axis=-1)[..., 0]
    result = loss(net, problem, BATCHES[problem])
    assert float(result.nats) == pytest.approx(nats_BT[real_BT].sum(), rel=1e-4)
    assert float(result.count) == real_BT.sum()


def test_the_command_changes_all_outputs_from_the_first_on(net):
    german_BTV, french_BTV = (teacher_forced(net, "to_german", BATCHES["to_german"], command=row)[0] for row in (2, 1))
    assert (abs(german_BTV - french_BTV).max(axis=-1) > 1e-4).all()
    first_B1D = ops.convert_to_numpy(net.first("to_german", 3))
    expected_D = net.command_table.rows_VD.numpy()[2] * WIDTH**0.5
    np.testing.assert_allclose(first_B1D, np.broadcast_to(expected_D, (3, 1, WIDTH)), rtol=1e-6)


def test_a_class_depends_on_the_memory_and_not_on_the_command(net):
    one, other = (teacher_forced(net, "tone", BATCHES["tone"], command=row)[0] for row in (0, 3))
    np.testing.assert_array_equal(one, other)
    assert not net.generates("tone")
    logits_BC = net.classify("tone", net.encode("tone", BATCHES["tone"]["inputs"], Forward()))
    np.testing.assert_allclose(ops.convert_to_numpy(logits_BC), one[:, 0], atol=1e-5)


def test_an_image_and_its_negative_have_different_logits(net):
    pixels = BATCHES["name"]["inputs"]["pixels"]
    logits = [
        teacher_forced(net, "name", {**BATCHES["name"], "inputs": {"pixels": x}})[0] for x in (pixels, 255 - pixels)
    ]
    assert (abs(logits[0] - logits[1]).max(axis=-1) > 1e-3).all()


@pytest.mark.parametrize("problem", ["to_german", "tone"])
def test_the_first_loss_is_about_the_logarithm_of_the_choices(problem):
    words, tones = Port("text", "text_words", 8192), Port("label", "label_tone", 1000)
    keras.utils.set_random_seed(1)
    fresh = made(
        {"to_german": Signature(words, words, "to-german"), "tone": Signature(words, tones, "to-label")},
        HPARAMS.override("hidden_size=32"),
    )
    inputs = text([20] * 16, most=20, size=8192)
    targets = text([20] * 16, most=20, size=8192, seed=1) if problem == "to_german" else classes(*range(0, 960, 60))
    result = loss(fresh, problem, {"inputs": inputs, "targets": targets})
    choices = {"to_german": 8192, "tone": 1000}[problem]
    assert float(result.nats) / float(result.count) == pytest.approx(np.log(choices), rel=0.1)


def test_tensors_restore_the_same_outputs_in_another_net(net, in_both_orders):
    other = in_both_orders[1]
    other.restore({**net.tensors(), "steps/of/something/else": np.zeros(1)})
    for problem in ("parse", "name"):
        mine, theirs = (teacher_forced(each, problem, BATCHES[problem])[0] for each in (net, other))
        np.testing.assert_array_equal(mine, theirs)


def test_tensors_name_the_commands_so_that_a_net_of_fewer_finds_its_own(net):
    tensors = net.tensors()
    assert tensors["net/commands/to-tree"].shape == (WIDTH,)
    few = made({"parse": PROBLEMS["parse"]})
    few.restore(tensors)
    np.testing.assert_array_equal(few.command_table.rows_VD.numpy(), net.command_table.rows_VD.numpy()[4:])


def test_commands_are_split_by_name_and_joined_again():
    table, moment, other = np.arange(6.0).reshape(3, 2), np.arange(6.0, 12.0).reshape(3, 2), np.ones(4)
    tensors = {"net/commands/rows": table, "net/commands/rows/m": moment, "net/body/x": other}
    split = split_commands(tensors, ["a", "rows", "to-b"])
    assert sorted(split) == [
        "net/body/x",
        "net/commands/a",
        "net/commands/a/m",
        "net/commands/rows",
        "net/commands/rows/m",
        "net/commands/to-b",
        "net/commands/to-b/m",
    ]
    np.testing.assert_array_equal(split["net/commands/rows/m"], [8, 9])
    joined = join_commands(split, ["a", "rows", "to-b"])
    assert joined.keys() == tensors.keys()
    for path, tensor in tensors.items():
        np.testing.assert_array_equal(joined[path], tensor)
    np.testing.assert_array_equal(join_commands(split, ["to-b", "a"])["net/commands/rows"], table[[2, 0]])


def test_a_command_with_a_slash_is_refused():
    text = Port("text", "text_words", 9)
    with pytest.raises(UserError, match="'to/german'"):
        Net({"a": Signature(text, text, "to/german")}, HPARAM_SETS["multimodel_demo"]())
