"""Which problems a body can take, and which modality nets stand around it: for plugins as for what is built in."""

import pytest

from t2t_mm.errors import UserError
from t2t_mm.feature import Port, Signature
from t2t_mm.layers.forward import Forward
from t2t_mm.modalities.label import Label
from t2t_mm.models.body import Reader
from t2t_mm.models.net import Net
from t2t_mm.models.ports import check_ports, net_name
from t2t_mm.models.vit.hparams import VitHparams
from t2t_mm.registry import HPARAM_SETS, MODALITIES, MODELS

WORDS, IMAGE, SIZE = Port("text", "text_words", 11), Port("image", "image", 0), Port("label", "label_size", 3)
TINY = "hidden_size=8,encoder_layers=1,attention_heads=2,filter_size=12"


class Echo(Reader):
    """Its memory is its source; classes are read in its own way."""

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


def test_a_plugins_body_may_do_the_same(echo):
    from dataclasses import replace

    net = Net({"name": Signature(IMAGE, SIZE, "to-label")}, replace(echo, model="echo", body=VitHparams()))
    assert type(net.modalities["label_size"]) is ShoutedLabel
    assert type(net.modalities["image"]).__name__ == "Image"
    check_ports("echo", {"tone": Signature(WORDS, SIZE, "x"), "guess": Signature(None, SIZE, "x")})  # it reads anything
    with pytest.raises(UserError, match="The model echo cannot learn translate: its targets are text, and echo writes"):
        check_ports("echo", {"translate": Signature(WORDS, WORDS, "x")})


@pytest.mark.parametrize(
    ("signature", "said"),
    [
        (Signature(WORDS, SIZE, "x"), "its inputs are text, and vit reads image alone"),
        (Signature(None, SIZE, "x"), "it has no inputs, and vit reads image alone"),
        (Signature(IMAGE, WORDS, "x"), "its targets are text, and vit writes label alone"),
    ],
)
def test_a_problem_that_a_model_cannot_take_is_refused_with_what_it_can(signature, said):
    with pytest.raises(UserError, match=f"The model vit cannot learn describe: {said}"):
        Net({"name": Signature(IMAGE, SIZE, "x"), "describe": signature}, HPARAM_SETS["vit_tiny"]())


def test_other_models_take_everything():
    problems = {"a": Signature(None, WORDS, "x"), "b": Signature(IMAGE, SIZE, "x"), "c": Signature(IMAGE, WORDS, "x")}
    for model in ("multimodel", "transformer"):
        check_ports(model, problems)


def test_a_body_that_reads_alone_says_so_when_it_is_to_write():
    body = Echo(None)
    calls = (
        lambda: body.decode(None, None, Forward()),
        lambda: body.start(None, 3),
        lambda: body.step(None, None),
        lambda: body.select(None, None),
    )
    for call in calls:
        with pytest.raises(TypeError, match="Echo has no decoder"):
            call()
