"""The problems that a model can learn and the modality nets that it uses, for plugins and for built-in models."""

from dataclasses import replace

import numpy as np
import pytest
from keras import ops

from t2t_mm.errors import UserError
from t2t_mm.feature import Port, Signature
from t2t_mm.layers.sequence import Seq
from t2t_mm.modalities.base import Modality, SelfDecodingNet, Writer, one_way
from t2t_mm.modalities.label import Label
from t2t_mm.models.body import EncoderBody, Reader
from t2t_mm.models.net import Net
from t2t_mm.models.ports import check_ports, net_name
from t2t_mm.models.vit.hparams import VitHparams
from t2t_mm.registry import HPARAM_SETS, MODALITIES, MODELS

WORDS, IMAGE, SIZE = Port("text", "text_words", 11), Port("image", "image", 0), Port("label", "label_size", 3)
TINY = "hidden_size=8,encoder_layers=1,attention_heads=2,filter_size=12"


class Echo(EncoderBody):
    """A body whose memory is its source. It has a net of its own for classes."""

    writes = ("label",)
    modality_nets = {"label": "shouted_label"}

    def __init__(self, hparams, *, name="body"):
        super().__init__(name=name)

    def build(self, width):
        pass

    def encode(self, source, forward):
        return source


class ShoutedLabel(Label):
    """A plugin's own net of classes."""


@pytest.fixture
def echo(forgetful_registries):
    MODELS.register(Echo)
    MODALITIES.register(ShoutedLabel)
    return HPARAM_SETS["multimodel_demo"]()


def test_a_body_may_name_another_modality_net_for_a_ports_modality():
    assert net_name("vit", "image") == "image_patches" and net_name("vit", "label") == "label_token"
    assert net_name("multimodel", "image") == "image" and net_name("transformer", "label") == "label"
    net = Net({"name": Signature(IMAGE, SIZE, "to-label")}, HPARAM_SETS["vit_tiny"]().override(TINY))
    assert {key: type(net.modalities[key]).__name__ for key in net.modalities} == {
        "image": "ImagePatches",
        "label_size": "LabelToken",
    }


def test_a_plugins_body_may_name_another_modality_net_too(echo):
    net = Net({"name": Signature(IMAGE, SIZE, "to-label")}, replace(echo, model="echo", body=VitHparams()))
    assert type(net.modalities["label_size"]) is ShoutedLabel
    assert type(net.modalities["image"]).__name__ == "Image"
    check_ports("echo", {"tone": Signature(WORDS, SIZE, "x"), "guess": Signature(None, SIZE, "x")})  # it reads anything
    with pytest.raises(UserError, match="The model echo cannot learn translate: its targets are text, and echo writes"):
        check_ports("echo", {"translate": Signature(WORDS, WORDS, "x")})


@pytest.mark.parametrize(
    ("signature", "message"),
    [
        (Signature(WORDS, SIZE, "x"), "its inputs are text, and vit reads only image inputs"),
        (Signature(None, SIZE, "x"), "it has no inputs, and vit reads only image inputs"),
        (Signature(IMAGE, WORDS, "x"), "its targets are text, and vit writes only label targets"),
    ],
)
def test_a_problem_that_a_model_cannot_take_is_refused_with_what_it_can(signature, message):
    with pytest.raises(UserError, match=f"The model vit cannot learn describe: {message}"):
        Net({"name": Signature(IMAGE, SIZE, "x"), "describe": signature}, HPARAM_SETS["vit_tiny"]())


def test_other_models_take_everything():
    problems = {"a": Signature(None, WORDS, "x"), "b": Signature(IMAGE, SIZE, "x"), "c": Signature(IMAGE, WORDS, "x")}
    for model in ("multimodel", "transformer"):
        check_ports(model, problems)


def net_of(signature, hparams_set="multimodel_demo"):
    return Net({"odd": signature}, HPARAM_SETS[hparams_set]())


@pytest.mark.parametrize(
    ("signature", "reason"),
    [
        (Signature(WORDS, IMAGE, "x"), "its targets are image, and the modality net Image can only read inputs"),
        (Signature(SIZE, WORDS, "x"), "its inputs are label, and the modality net Label can only predict targets"),
    ],
)
def test_a_modality_net_on_the_side_that_it_does_not_serve_is_refused(signature, reason):
    with pytest.raises(UserError) as refused:
        net_of(signature)
    remedy = "Leave the problem out, or choose another --hparams_set."
    assert str(refused.value) == f"The model multimodel cannot learn odd: {reason}. {remedy}"


def test_an_encoder_only_body_cannot_learn_targets_that_are_decoded(echo, monkeypatch):
    monkeypatch.setattr(Echo, "writes", None)
    with pytest.raises(UserError, match="cannot learn odd: its targets are text, .*, and echo has no decoder"):
        Net({"odd": Signature(WORDS, WORDS, "x")}, replace(echo, model="echo", body=VitHparams()))
    assert not hasattr(EncoderBody, "decode")


class OldSeries(Modality):
    """An input net as plugins wrote it when every net had all methods."""

    autoregressive = False

    def build(self):
        self.weight_D = self.add_weight(shape=(self.hidden_size,), name="weight")

    def bottom(self, arrays, forward):
        values_BLD = arrays["values"][..., None] * self.weight_D
        return Seq(values_BLD, ops.ones(ops.shape(values_BLD)[:2], "bool"))

    def targets_bottom(self, arrays, forward):
        raise one_way(self, "targets")

    def top(self, body):
        raise one_way(self, "targets")

    def loss(self, body, arrays, smoothing):
        raise one_way(self, "targets")

    def labels(self, arrays):
        raise one_way(self, "targets")


class OldLabel(OldSeries):
    """A net of classes as plugins wrote it then: not autoregressive, it reads the memory."""

    def bottom(self, arrays, forward):
        raise one_way(self, "inputs")

    def top(self, body):
        return ops.sum(body.values_BLD, axis=1, keepdims=True) * self.weight_D

    def labels(self, arrays):
        return arrays["class"][:, None], ops.ones((2, 1), "bool")


def test_one_way_nets_of_old_plugins_go_on_working(forgetful_registries):
    MODALITIES.register(OldSeries)
    MODALITIES.register(OldLabel)
    net = net_of(Signature(Port("old_series", "old_series", 0), Port("old_label", "old_label", 3), "x"))
    net.build()
    batch = {"inputs": {"values": np.ones((2, 3), "float32")}, "targets": {"class": np.array([1, 0], "int32")}}
    logits_BTV, _, _ = net.teacher_forced("odd", batch, np.int32(0))
    assert logits_BTV.shape[:2] == (2, 1) and not net.generates("odd")
    with pytest.raises(TypeError, match="the OldSeries modality cannot be used as targets"):
        net.modalities["old_series"].top(None)


def test_contracts_keep_their_old_names_for_plugins():
    assert Reader is EncoderBody and Writer is SelfDecodingNet
