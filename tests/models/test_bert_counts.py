"""The parameters of every BERT set, against arithmetic written out and the paper's section 3."""

import keras
import numpy as np
import pytest

from t2t_mm.feature import Port, Signature
from t2t_mm.models.net import Net
from t2t_mm.registry import HPARAM_SETS

SETS = [name for name in HPARAM_SETS if name.startswith("bert_")]
PIECES = 30_522  # [CLS], [SEP] and [MASK] counted in


def expected(hparams, ids):
    """The model alone, as the paper counts: embeddings, layers and the pooler."""
    h, d = hparams.body, hparams.body.hidden_size
    layer = 4 * d * d + 2 * d * h.filter_size + h.filter_size + d + 2 * (2 * d)  # attention, FFN, two norms
    return (ids + 2 + h.max_positions) * d + 2 * d + h.encoder_layers * layer + d * d + d


@pytest.mark.parametrize("name", SETS)
def test_the_number_of_parameters_is_the_sum_of_its_parts(name):
    port = Port("sentences", "sentences_x", PIECES)
    hparams = HPARAM_SETS[name]()
    with keras.StatelessScope(initialize_variables=False):
        net = Net({"name": Signature(port, port, "to-words")}, hparams)
        net.build()
    result = sum(int(np.prod(weight.shape)) for weight in net.trainable_variables)
    keras.utils.clear_session()  # which would otherwise make them later
    d = hparams.body.hidden_size
    heads = d * d + d + 2 * d + PIECES + 2 * (d + 1)  # hidden words; the next sentence
    assert result == expected(hparams, PIECES) + heads + d  # and the one command, which nothing reads


@pytest.mark.parametrize(
    ("name", "count"),
    [("bert_base", 109_445_376), ("bert_large", 335_043_584), ("bert_tiny", 4_747_648)],
)
def test_the_sets_are_as_large_as_the_documents_say(name, count):
    assert expected(HPARAM_SETS[name](), PIECES) == count


def test_the_published_sizes_are_those_here_and_the_biases_of_attention():
    base, large = (expected(HPARAM_SETS[name](), PIECES) for name in ("bert_base", "bert_large"))
    assert base + 12 * 4 * 768 == 109_482_240
    assert large + 24 * 4 * 1024 == 335_141_888
    assert base / 1e6 == pytest.approx(110, rel=0.01)
    assert large / 1e6 == pytest.approx(340, rel=0.015)  # a round number: the published model is as far from it
