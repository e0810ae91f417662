"""Choice of the experts to keep."""

import numpy as np
import pytest
from building_blocks import built

from t2t_mm.feature import Port, Signature
from t2t_mm.models.net import Net
from t2t_mm.registry import HPARAM_SETS
from t2t_mm.run_tools.surgery.experts import expert_layers, pruned, staying, with_experts

WORDS = Port("text", "text_words", 9)
HPARAMS = HPARAM_SETS["multimodel_demo"]().override(
    "hidden_size=8,encoder_blocks=1,mixer_blocks=0,decoder_blocks=1,expert_size=4,attention=False,experts=5"
)


def made(hparams, left_out=()):
    return built(Net({"german": Signature(WORDS, WORDS, "to-german")}, hparams, left_out))


@pytest.mark.parametrize(
    ("choices", "below", "stay"),
    [
        ([50, 0, 30, 20, 0], 0.0, [0, 2, 3]),  # experts that were never chosen are removed
        ([50, 1, 30, 19, 0], 0.0, [0, 1, 2, 3]),
        ([50, 1, 30, 19, 0], 0.01, [0, 1, 2, 3]),  # 1 of 100 is no less than 0.01
        ([50, 1, 30, 19, 0], 0.02, [0, 2, 3]),
        ([50, 1, 30, 19, 0], 0.9, [0, 2, 3]),  # a token uses two, and noise chooses among three
        ([0, 0, 0, 0, 0], 0.0, [0, 1, 2]),  # of equal ones, the first
        ([0, 0, 0, 0, 7], 0.0, [0, 1, 4]),
    ],
)
def test_rarely_chosen_experts_are_removed_but_one_more_than_a_token_uses_is_kept(choices, below, stay):
    np.testing.assert_array_equal(staying(np.array(choices, float), per_token=2, below=below), stay)


def test_each_layer_has_its_own_number_of_experts():
    net = made(HPARAMS)
    choices = {"encoder/experts": np.array([9, 0, 9, 9, 0.0]), "decoder/experts": np.array([9, 9, 9, 9, 0.0])}
    experts = pruned(net, choices, 0.0)
    assert {path: stay.tolist() for path, stay in experts.items()} == {
        "net/body/encoder/experts": [0, 2, 3],
        "net/body/decoder/experts": [0, 1, 2, 3],
    }
    body = with_experts(HPARAMS, net, experts).body
    assert (body.experts, body.decoder_experts) == (3, 4)
    smaller = made(with_experts(HPARAMS, net, experts)).tensors()
    assert smaller["net/body/encoder/experts/gate"].shape == (8, 3)
    assert smaller["net/body/decoder/experts/hidden"].shape == (4, 8, 4)


def test_layers_that_lose_no_expert_or_were_not_counted_are_not_changed():
    net = made(HPARAMS)
    assert pruned(net, {"encoder/experts": np.ones(5)}, 0.0) == {}
    body = with_experts(HPARAMS, net, {"net/body/decoder/experts": np.arange(4)}).body
    assert (body.experts, body.decoder_experts) == (5, 4)


def test_a_layer_that_is_left_out_has_no_experts_to_prune():
    assert expert_layers(made(HPARAMS, ["body/decoder"])).keys() == {"net/body/encoder/experts"}
    assert expert_layers(made(HPARAMS.override("experts=0"))) == {}
