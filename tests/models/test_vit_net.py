"""Modality nets around a Vision Transformer's body."""

import numpy as np
import pytest
from building_blocks import built
from keras import ops

from t2t_mm.errors import UserError
from t2t_mm.feature import Port, Signature
from t2t_mm.layers.forward import Forward
from t2t_mm.models.net import Net
from t2t_mm.registry import HPARAM_SETS

HPARAMS = HPARAM_SETS["vit_tiny"]().override(
    "hidden_size=8,encoder_layers=2,filter_size=12,attention_heads=2,image_size=12"
)
POSITIONS = "net/image/positions/rows"
IMAGE, SIZE, TONE = Port("image", "image", 0), Port("label", "label_size", 3), Port("label", "label_tone", 4)
PROBLEMS = {"size": Signature(IMAGE, SIZE, "to-label"), "tone": Signature(IMAGE, TONE, "to-label")}
IMAGES = {"pixels": np.random.default_rng(0).integers(0, 256, (3, 12, 12, 3)).astype("uint8")}
BATCHES = {
    "size": {"inputs": IMAGES, "targets": {"class": np.array([2, 0, -1], "int32")}},
    "tone": {"inputs": IMAGES, "targets": {"class": np.array([3, 1, -1], "int32")}},
}


def made(problems=PROBLEMS, hparams=HPARAMS):
    return built(Net(problems, hparams))


@pytest.fixture(scope="module")
def net(scrambled):
    return scrambled(made())


def teacher_forced(net, problem, pixels=None):
    batch = BATCHES[problem] if pixels is None else {**BATCHES[problem], "inputs": {"pixels": pixels}}
    return [ops.convert_to_numpy(part) for part in net.teacher_forced(problem, batch, np.int32(net.command(problem)))]


@pytest.mark.parametrize("problem", BATCHES)
def test_a_change_of_any_patch_changes_the_logits(net, problem):
    pixels = np.repeat(IMAGES["pixels"][:1], 10, axis=0)
    for place in range(9):  # one patch each
        row, column = divmod(place, 3)
        pixels[1 + place, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4] = 255 - pixels[0, :4, :4]
    logits_BTV = teacher_forced(net, problem, pixels)[0]
    assert (abs(logits_BTV[1:] - logits_BTV[0]).max(axis=(1, 2)) > 1e-4).all()


def test_the_position_of_a_patch_changes_the_logits(net):
    pixels = IMAGES["pixels"][:1]
    logits = [teacher_forced(net, "size", x)[0] for x in (pixels, np.roll(pixels, 4, axis=2))]
    assert abs(logits[0] - logits[1]).max() > 1e-4


def test_a_class_is_not_generated_but_read_from_the_memory(net):
    assert not net.generates("size") and net.longest is None
    logits_BC = net.classify("size", net.encode("size", IMAGES, Forward()))
    np.testing.assert_allclose(ops.convert_to_numpy(logits_BC), teacher_forced(net, "size")[0][:, 0], atol=1e-5)


@pytest.mark.parametrize("head", ["linear", "mlp"])
def test_the_first_loss_is_the_logarithm_of_the_classes(head):
    fresh = made(hparams=HPARAMS.override(f"label_head={head}"))
    result = fresh.loss("tone", BATCHES["tone"], np.int32(0), Forward(), 0.0)
    assert float(result.nats) / 2 == pytest.approx(np.log(4), rel=1e-5)


def test_weights_have_the_paths_that_checkpoints_hold(net):
    paths = [weight.path for weight in net.trainable_variables]
    assert {"net/image/embed", "net/image/positions/rows", "net/body/class_token", "net/body/norm/scale"} <= {*paths}
    assert {"net/label_size/linear/rows", "net/body/layer_2/attention_residual/norm/scale"} <= {*paths}


def test_at_a_higher_resolution_positions_are_interpolated_and_all_else_is_as_it_was(net):
    larger = made(hparams=HPARAMS.override("image_size=20"))
    wanted = larger.tensors()
    result = {}
    for path, value in net.tensors().items():
        same = value.shape == wanted[path].shape
        result[path] = value if same else larger.adapted(path, value)
        assert same == (path != POSITIONS)
    before, after = net.tensors()[POSITIONS].reshape(3, 3, 8), result[POSITIONS].reshape(5, 5, 8)
    np.testing.assert_allclose(after[::2, ::2], before, atol=1e-6)  # corners on corners: 0, 2, 4 of 5 are 0, 1, 2 of 3
    np.testing.assert_allclose(after[1, 1], before[:2, :2].mean(axis=(0, 1)), atol=1e-6)
    larger.restore(result)
    logits_BTV = teacher_forced(larger, "size", np.zeros((1, 20, 20, 3), "uint8"))[0]
    assert np.isfinite(logits_BTV).all()


def test_other_weights_of_another_shape_cannot_be_adapted(net):
    tensors = net.tensors()
    assert net.adapted("net/image/embed", tensors["net/image/embed"][:3]) is None
    assert net.adapted("net/body/class_token", np.zeros(9, "float32")) is None
    assert net.adapted("net/label_other/linear/rows", np.zeros((3, 9), "float32")) is None  # there is no such weight


def test_patches_that_do_not_divide_the_image_are_refused_before_anything_is_made():
    with pytest.raises(UserError, match="Patches of 4 x 4 pixels do not divide images of 30 x 30"):
        Net(PROBLEMS, HPARAMS.override("image_size=30"))


@pytest.mark.parametrize("model", ["multimodel_demo", "transformer_tiny"])
def test_other_models_learn_a_problem_of_images_with_their_own_nets(model):
    other = made({"size": PROBLEMS["size"]}, HPARAM_SETS[model]().override("hidden_size=8,image_size=16"))
    assert type(other.modalities["image"]).__name__ == "Image"
    assert type(other.modalities["label_size"]).__name__ == "Label"
