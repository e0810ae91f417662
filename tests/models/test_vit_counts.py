"""The parameters of every ViT set, against arithmetic written out and the paper's table 1: with 1,000 classes."""

import keras
import numpy as np
import pytest

from t2t_mm.feature import Port, Signature
from t2t_mm.models.net import Net
from t2t_mm.registry import HPARAM_SETS

SETS = [name for name in HPARAM_SETS if name.startswith("vit_")]


def expected(hparams, classes):
    h, d, patch = hparams.body, hparams.body.hidden_size, hparams.data.image_patch
    patches = (hparams.data.image_size // patch) ** 2
    layer = 4 * d * d + 2 * d * h.filter_size + h.filter_size + d + 2 * (2 * d)  # attention, MLP, two norms
    hidden = d * d + d if h.label_head == "mlp" else 0
    return sum(
        (
            3 * patch**2 * d + patches * d,  # projection, positions
            d + h.encoder_layers * layer + 2 * d,  # class token, layers, norm
            hidden + classes * (d + 1),
            d,  # the one command, which heads do not read
        )
    )


@pytest.fixture
def counted():
    """Return a function that counts the parameters of a net that names images from shapes, without making weights."""

    def count(hparams, classes):
        signature = Signature(Port("image", "image", 0), Port("label", "label_x", classes), "to-label")
        with keras.StatelessScope(initialize_variables=False):
            net = Net({"name": signature}, hparams)
            net.build()
        return sum(int(np.prod(weight.shape)) for weight in net.trainable_variables)

    yield count
    keras.utils.clear_session()  # which would otherwise make them later


@pytest.mark.parametrize(("name", "head"), [*((name, "linear") for name in SETS), ("vit_tiny", "mlp")])
def test_the_number_of_parameters_is_the_sum_of_its_parts(name, head, counted):
    hparams = HPARAM_SETS[name]().override(f"label_head={head}")
    assert counted(hparams, 1000) == expected(hparams, 1000)


@pytest.mark.parametrize(
    ("name", "changes", "classes", "count"),
    [
        ("vit_b16", "label_head=linear", 1000, 86_530_024),
        ("vit_l16", "label_head=linear", 1000, 304_227_304),
        ("vit_l16", "label_head=linear,image_patch=32", 1000, 306_436_072),
        ("vit_h14", "label_head=linear", 1000, 631_880_680),
        ("vit_b16", "", 1000, 87_120_616),
        ("vit_tiny", "", 10, 807_946),
    ],
)
def test_the_sets_are_as_large_as_the_documents_say(name, changes, classes, count):
    assert expected(HPARAM_SETS[name]().override(changes), classes) == count


@pytest.mark.parametrize(("name", "millions"), [("vit_b16", 86), ("vit_l16", 307), ("vit_h14", 632)])
def test_the_papers_sizes_within_a_hundredth(name, millions):
    assert expected(HPARAM_SETS[name]().override("label_head=linear"), 1000) / 1e6 == pytest.approx(millions, rel=0.01)
