"""Each built-in modality net implements the contracts of the sides that it serves, and no other."""

import pytest

from t2t_mm.errors import UserError
from t2t_mm.modalities.base import AutoregressiveTargetNet, InputNet, Modality, SelfDecodingNet, TargetNet
from t2t_mm.modalities.text_ctc import TextCtc
from t2t_mm.registry import MODALITIES

INPUTS = (
    "audio_spectral",
    "audio_subsampling",
    "audio_waveform",
    "image",
    "image_padded",
    "image_patches",
    "passage",
    "passage_asked",
    "scan",
    "scan_plain",
    "vector",
    "vector_relu",
)
TARGETS = ("label", "label_flat", "label_last", "label_token", "span")
METHODS = {
    InputNet: {"bottom"},
    TargetNet: {"top", "loss", "labels", "target_logits"},
    AutoregressiveTargetNet: {"targets_bottom"},
    SelfDecodingNet: {"start", "step", "select"},
}


def contracts(net_class):
    return {contract for contract in METHODS if issubclass(net_class, contract)}


def test_built_in_modality_nets_serve_inputs_targets_or_both():
    classes = {name: MODALITIES[name] for name in MODALITIES if isinstance(MODALITIES[name], type)}
    builtin = {name: net_class for name, net_class in classes.items() if net_class.__module__.startswith("t2t_mm.")}
    assert {name: contracts(net_class) for name, net_class in builtin.items()} == {
        **{name: {InputNet} for name in INPUTS},
        **{name: {TargetNet} for name in TARGETS},
        "sentences": {InputNet, TargetNet},
        "text": {InputNet, TargetNet, AutoregressiveTargetNet},
    }
    assert contracts(TextCtc) == {TargetNet, SelfDecodingNet}


def test_no_net_has_a_method_of_a_contract_that_it_does_not_implement():
    classes = [MODALITIES[name] for name in (*INPUTS, *TARGETS, "sentences", "text")] + [TextCtc]
    foreign = set().union(*METHODS.values())
    for net_class in classes:
        own = set().union(*(METHODS[contract] for contract in contracts(net_class)))
        assert {name for name in foreign - own if hasattr(net_class, name)} == set(), net_class


def test_a_method_by_its_old_name_is_refused_with_the_new_one():
    with pytest.raises(UserError, match="OldNet has the method `judged`: rename it to `target_logits`"):

        class OldNet(Modality):
            def judged(self, body, arrays):
                return None
