"""The parameters of every Transformer set, against arithmetic written out and the paper's table 3."""

import keras
import numpy as np
import pytest

from t2t_mm.feature import Port, Signature
from t2t_mm.models.net import Net
from t2t_mm.registry import HPARAM_SETS

SETS = [name for name in HPARAM_SETS if name.startswith("transformer_")]


def body(h):
    d, norm = h.hidden_size, 2 * h.hidden_size
    attention = 4 * d * d  # queries, keys, values, output: no biases
    feed_forward = 2 * d * h.filter_size + h.filter_size + d
    encoder_layer = attention + feed_forward + 2 * norm
    decoder_layer = 2 * attention + feed_forward + 3 * norm
    closing = 2 * norm if h.norm == "pre" else 0
    tables = 2 * h.max_positions * d if h.positions == "learned" else 0
    return h.encoder_layers * encoder_layer + h.decoder_layers * decoder_layer + closing + tables


def expected(hparams, words):
    d, tables = hparams.body.hidden_size, 1 if hparams.data.shared_embedding_and_softmax_weights else 2
    return body(hparams.body) + tables * words * d + d  # the last is the one command


@pytest.fixture
def counted():
    """Return a function that counts the parameters of a net of translation from shapes, without making weights."""

    def count(hparams, words):
        text = Port("text", "text_words", words)
        with keras.StatelessScope(initialize_variables=False):
            net = Net({"translate": Signature(text, text, "to-german")}, hparams)
            net.build()
        return sum(int(np.prod(weight.shape)) for weight in net.trainable_variables)

    yield count
    keras.utils.clear_session()  # which would otherwise make them later


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        *((name, "") for name in SETS),
        ("transformer_tiny", "norm=pre,positions=learned,max_positions=300"),
        ("transformer_tiny", "shared_embedding_and_softmax_weights=False"),
    ],
)
def test_the_number_of_parameters_is_the_sum_of_its_parts(name, changes, counted):
    hparams = HPARAM_SETS[name]().override(changes)
    assert counted(hparams, 8192) == expected(hparams, 8192)


@pytest.mark.parametrize(
    ("name", "words", "count"),
    [
        ("transformer_base", 37_000, 63_046_144),
        ("transformer_big", 37_000, 214_172_672),
        ("transformer_parsing", 16_000, 100_336_640),
        ("transformer_small", 8192, 5_777_664),
        ("transformer_tiny", 8192, 2_367_616),
    ],
)
def test_the_sets_are_as_large_as_the_documents_say(name, words, count):
    assert expected(HPARAM_SETS[name](), words) == count


@pytest.mark.parametrize(
    ("changes", "millions"),
    [
        ("encoder_layers=2,decoder_layers=2", 36),
        ("encoder_layers=4,decoder_layers=4", 50),
        ("", 65),
        ("encoder_layers=8,decoder_layers=8", 80),
        ("hidden_size=256", 28),
        ("hidden_size=1024", 168),
        ("filter_size=1024", 53),
        ("filter_size=4096", 90),
    ],
)
def test_the_papers_variations_of_the_base_model_have_its_bodies_with_a_table_of_about_41_000_words(changes, millions):
    assert expected(HPARAM_SETS["transformer_base"]().override(changes), 41_000) / 1e6 == pytest.approx(
        millions, abs=0.8
    )
