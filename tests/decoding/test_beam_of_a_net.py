"""Beam search through a real net, whose key/value caches are read through an index table and not copied."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import ops

from t2t_mm.data.vocabulary import EOS, PAD
from t2t_mm.decoding.beam import beam_search
from t2t_mm.decoding.compiled import for_each_shape
from t2t_mm.feature import Port, Signature
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.sequence import Seq
from t2t_mm.modalities.text import Text
from t2t_mm.models.net import Net
from t2t_mm.registry import HPARAM_SETS

SYMBOLS, BEAMS, POSITIONS, ALPHA = 6, 3, 12, 0.6
WORDS = Port("text", "text_words", SYMBOLS)
SIZES = {
    "multimodel_demo": {"hidden_size": 8, "encoder_blocks": 1, "decoder_blocks": 1, "experts": 0, "attention_heads": 2},
    "transformer_tiny": {"hidden_size": 8, "encoder_layers": 1, "decoder_layers": 2, "filter_size": 8},
}


@pytest.mark.parametrize("name", list(SIZES))
def test_a_beam_score_is_the_teacher_forced_score_of_its_ids(name, scrambled, monkeypatch):
    top, end_V = Text.top, np.arange(SYMBOLS) == EOS
    monkeypatch.setattr(Text, "top", lambda self, body: ops.where(end_V, -float("inf"), top(self, body)))  # never ends
    hparams = HPARAM_SETS[name]()
    net = Net({"say": Signature(WORDS, WORDS, "say")}, replace(hparams, body=replace(hparams.body, **SIZES[name])))
    keras.utils.set_random_seed(0)
    net.build()
    scrambled(net)
    random = np.random.default_rng(1)
    inputs = {"ids": random.integers(2, SYMBOLS, (3, 5), dtype="int32"), "lengths": np.array([5, 3, 4], "int32")}

    def search(values_BLD, real_BL, limits_B):
        state = net.start_beams("say", Seq(values_BLD, real_BL), POSITIONS, BEAMS)
        return beam_search(net, "say", state, net.first("say", 3 * BEAMS), limits_B, POSITIONS, BEAMS, ALPHA)

    memory = net.encode("say", inputs, Forward())
    limits_B = ops.convert_to_tensor([POSITIONS] * 3, "int32")
    outputs = for_each_shape(search, net.variables)(memory.values_BLD, memory.real_BL, limits_B)
    ids_BKT, scores_BK = (ops.convert_to_numpy(tensor) for tensor in outputs)

    for k in range(BEAMS):
        targets = {"ids": ids_BKT[:, k], "lengths": np.full(3, POSITIONS, "int32")}
        logits_BTV, *_ = net.teacher_forced("say", {"inputs": inputs, "targets": targets}, net.command("say"))
        logits_BTV = np.array(ops.convert_to_numpy(logits_BTV), "float64")
        logits_BTV[..., PAD] = -np.inf
        log_probs_BTV = logits_BTV - np.log(np.exp(logits_BTV).sum(axis=-1, keepdims=True))
        chosen_BT = np.take_along_axis(log_probs_BTV, ids_BKT[:, k, :, None], axis=2)[..., 0]
        expected_B = chosen_BT.sum(axis=1) / ((5 + POSITIONS) / 6) ** ALPHA
        np.testing.assert_allclose(scores_BK[:, k], expected_B, rtol=1e-3)
    assert all(len({tuple(ids_T) for ids_T in ids_KT}) == BEAMS for ids_KT in ids_BKT)
