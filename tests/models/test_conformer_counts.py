"""The parameters of every Conformer set, against arithmetic written out and the paper's table 1."""

import keras
import numpy as np
import pytest

from t2t_mm.feature import Port, Signature
from t2t_mm.models.net import Net
from t2t_mm.registry import HPARAM_SETS

SETS = [name for name in HPARAM_SETS if name.startswith("conformer_")]
WORDS = 1024  # "1k word pieces"


def block(h):
    d, f, norm = h.hidden_size, h.filter_size, 2 * h.hidden_size
    feed_forward = 2 * d * f + f + d
    attention = 5 * d * d + 2 * d  # queries, keys, values, distances, output; u and v
    convolution = 2 * d * d + 2 * d + h.kernel_size * d + norm + d * d + d
    return 2 * feed_forward + attention + convolution + 5 * norm


def subsampling(h):
    d = h.hidden_size
    return (9 * d + d) + (9 * d * d + d) + (20 * d * d + d)  # 80 frequencies, halved twice


def encoder(h):
    return subsampling(h) + h.encoder_layers * block(h)


def decoder(h, words):
    d, cells = h.hidden_size, h.decoder_size
    lstm = 4 * cells * (d + cells + 1) + 2 * cells
    return lstm + cells * d + 4 * d * d + 4 * d + 2 * words * d + d  # the last is the one command


def way_out(h, words):
    return decoder(h, words) if h.way_out == "decoder" else words * h.hidden_size + h.hidden_size


@pytest.fixture
def counted():
    """Return a function that counts the parameters of a net of speech to text from shapes, without making weights."""

    def count(hparams, words):
        audio, text = Port("audio_spectral", "audio_spectral", 0), Port("text", "text_words", words)
        with keras.StatelessScope(initialize_variables=False):
            net = Net({"write_down": Signature(audio, text, "to-english")}, hparams)
            net.build()
        return sum(int(np.prod(weight.shape)) for weight in net.trainable_variables)

    yield count
    keras.utils.clear_session()  # which would otherwise make them later


@pytest.mark.parametrize("way", ["decoder", "ctc"])
@pytest.mark.parametrize("name", SETS)
def test_the_number_of_parameters_is_the_sum_of_its_parts(name, way, counted):
    hparams = HPARAM_SETS[name]().override(f"way_out={way}")
    assert counted(hparams, WORDS) == encoder(hparams.body) + way_out(hparams.body, WORDS)


@pytest.mark.parametrize(
    ("name", "of_encoder", "count"),
    [
        ("conformer_s", 8_701_632, 9_722_128),
        ("conformer_m", 27_311_104, 30_560_256),
        ("conformer_l", 115_076_608, 120_456_960),
        ("conformer_tiny", 1_169_280, 1_530_976),
    ],
)
def test_the_sets_are_as_large_as_the_documents_say(name, of_encoder, count):
    body = HPARAM_SETS[name]().body
    assert (encoder(body), encoder(body) + decoder(body, WORDS)) == (of_encoder, count)


def transducer(h, words):
    """The paper's decoder as it is commonly built: an LSTM on an embedding and a joint net, all of the LSTM's width."""
    d, cells = h.hidden_size, h.decoder_size
    lstm = 4 * cells * (2 * cells + 1)
    return words * cells + lstm + d * cells + cells * cells + (cells + 1) * (words + 1)


@pytest.mark.parametrize(
    ("name", "millions", "here"),
    [("conformer_s", 10.3, -0.056), ("conformer_m", 30.7, -0.005), ("conformer_l", 118.8, 0.014)],
)
def test_the_papers_sizes_are_met_as_closely_as_the_documents_say(name, millions, here):
    body = HPARAM_SETS[name]().body
    assert (encoder(body) + decoder(body, WORDS)) / 1e6 / millions - 1 == pytest.approx(here, abs=0.001)
    left = millions * 1e6 - encoder(body)  # for the paper's decoder
    assert 4 * body.decoder_size * (body.decoder_size + 1) < left < 1.02 * transducer(body, WORDS)


def test_the_small_model_with_a_transducers_decoder_has_the_papers_size():
    body = HPARAM_SETS["conformer_s"]().body
    assert (encoder(body) + transducer(body, WORDS)) / 1e6 == pytest.approx(10.3, rel=0.01)
