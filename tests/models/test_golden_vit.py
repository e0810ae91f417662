"""The Vision Transformer from pixels to classes beside transformers' ViTModel, with the same weights.

Theirs carry positions to another size by cubic interpolation, so that has no part in this.
"""

import numpy as np
import pytest
from keras import ops

from t2t_mm.feature import Port, Signature
from t2t_mm.layers.forward import Forward
from t2t_mm.models.net import Net
from t2t_mm.registry import HPARAM_SETS

LAYERS, CLASSES = 2, 3
SIZES = f"hidden_size=8,encoder_layers={LAYERS},filter_size=12,attention_heads=2,image_size=12,image_patch=4"
SIGNATURE = Signature(Port("image", "image", 0), Port("label", "kind", CLASSES), "to-kind")


@pytest.fixture(scope="module")
def theirs(golden):
    return golden("vit")


@pytest.fixture(scope="module")
def made(theirs, assign_weights):
    """A net with the head that is named, and their weights."""

    def make(head):
        net = Net({"kinds": SIGNATURE}, HPARAM_SETS["vit_tiny"]().override(f"{SIZES},label_head={head}"))
        net.build()
        return assign_weights(net, as_ours(theirs["weights"], head))

    return make


@pytest.fixture
def batch(theirs):
    return {
        "inputs": {"pixels": theirs["pixels"].transpose(0, 2, 3, 1)},
        "targets": {"class": theirs["labels"].astype("int32")},
    }


def as_ours(theirs, head):
    """Weights of transformers' by the paths that they have here, where the class token holds its position."""

    def norm(here, there):
        return {f"{here}/scale": theirs[f"{there}.weight"], f"{here}/shift": theirs[f"{there}.bias"]}

    def linear(matrix, shift, there):
        return {matrix: theirs[f"{there}.weight"].T, shift: theirs[f"{there}.bias"]}

    token_D, places_LD = theirs["vit.embeddings.cls_token"][0, 0], theirs["vit.embeddings.position_embeddings"][0]
    kernel_DCHW = theirs["vit.embeddings.patch_embeddings.projection.weight"]
    result = {
        "net/body/class_token": token_D + places_LD[0],
        "net/image/positions/rows": places_LD[1:],
        "net/image/embed": kernel_DCHW.transpose(2, 3, 1, 0).reshape(-1, len(kernel_DCHW)),
        **norm("net/body/norm", "vit.layernorm"),
        f"net/kind/{head}/rows": np.column_stack([theirs["classifier.weight"], theirs["classifier.bias"]]),
    }
    if head == "mlp":
        result |= linear("net/kind/hidden/weight", "net/kind/hidden/shift", "vit.pooler.dense")
    for number in range(LAYERS):
        here, there = f"net/body/layer_{number + 1}", f"vit.layers.{number}"
        qkv = [theirs[f"{there}.attention.{part}_proj.weight"].T for part in "qkv"]
        result |= {
            f"{here}/attention/qkv": np.concatenate(qkv, axis=1),
            f"{here}/attention/output": theirs[f"{there}.attention.o_proj.weight"].T,
            **norm(f"{here}/attention_residual/norm", f"{there}.layernorm_before"),
            **linear(f"{here}/mlp/in", f"{here}/mlp/in_shift", f"{there}.mlp.fc1"),
            **linear(f"{here}/mlp/out", f"{here}/mlp/out_shift", f"{there}.mlp.fc2"),
            **norm(f"{here}/mlp_residual/norm", f"{there}.layernorm_after"),
        }
    return result


@pytest.mark.parametrize("head", ["linear", "mlp"])
def test_what_becomes_of_token_and_patches_and_the_classes_is_theirs(head, made, theirs, batch):
    net = made(head)
    memory = net.encode("kinds", batch["inputs"], Forward())
    np.testing.assert_allclose(ops.convert_to_numpy(memory.values_BLD), theirs["hidden"], atol=1e-5)
    logits_BC = ops.convert_to_numpy(net.classify("kinds", memory))
    np.testing.assert_allclose(logits_BC, theirs[f"{head}_logits"], atol=1e-5)


def test_the_loss_of_the_head_with_a_hidden_layer_and_its_gradients_are_theirs(made, theirs, batch, gradients, agree):
    net = made("mlp")

    def objective():
        loss = net.loss("kinds", batch, 0, Forward(), 0.0)
        return loss.objective / loss.count

    assert float(objective()) == pytest.approx(float(theirs["loss"]), rel=1e-5)
    right = dict(theirs["gradients"])
    token = "vit.embeddings.cls_token"  # it and its position have one gradient, that of their sum
    np.testing.assert_array_equal(right[token][0, 0], right["vit.embeddings.position_embeddings"][0, 0])
    right[token] = np.zeros_like(right[token])
    agree(gradients(objective, net.trainable_variables), as_ours(right, "mlp"))
