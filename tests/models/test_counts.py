"""The parameters of every hparam set, against arithmetic written out."""

import keras
import numpy as np
import pytest

from t2t_mm.feature import Port, Signature
from t2t_mm.models.net import Net
from t2t_mm.registry import HPARAM_SETS

WORDS, CLASSES = 8192, 1000
TEXT, IMAGE, LABEL = Port("text", "text_words", WORDS), Port("image", "image", 0), Port("label", "label_x", CLASSES)
AUDIO, WAVE = (Port(modality, modality, 0) for modality in ("audio_spectral", "audio_waveform"))
PROBLEMS = {
    "translate": Signature(TEXT, TEXT, "to-german"),
    "name": Signature(IMAGE, LABEL, "to-label"),
    "transcribe": Signature(AUDIO, TEXT, "to-english"),
}


def step(inputs, outputs, taps):
    """Depthwise taps, pointwise projection, scale and shift."""
    return taps * inputs + inputs * outputs + 2 * outputs


def conv_block(d):
    return sum(step(d, d, taps) for taps in (3, 3, 15, 15))


def attention_block(d, mixing):
    mix = 2 * step(d, d, 5) if mixing == "steps" else 2 * conv_block(d)
    to_self, to_source, two_norms = 4 * d * d, 4 * d * d, 2 * 2 * d
    return mix + to_self + to_source + two_norms


def expert_layer(d, experts, size):
    if experts == 0:
        return 0
    gates, hidden, output, norm = 2 * d * experts, experts * d * size, experts * size * d, 2 * d
    return gates + hidden + output + norm


def body(h):
    d = h.hidden_size
    experts = expert_layer(d, h.experts, h.expert_size)
    attention = attention_block(d, h.mixing) if h.attention else 0
    norm = 2 * d
    encoder = h.encoder_blocks * conv_block(d) + experts + norm
    mixer = attention + h.mixer_blocks * conv_block(d)
    decoder = h.decoder_blocks * (conv_block(d) + attention) + experts + norm
    return encoder + mixer + decoder


def text(d):
    return 2 * WORDS * d  # in and out, not tied


def residual(inputs, outputs, taps=9):
    shortcut = inputs * outputs + 2 * outputs
    return step(inputs, outputs, taps) + step(outputs, outputs, taps) + shortcut


def image(d):
    first = 9 * 3 * 32 + 2 * 32  # an ordinary convolution
    f2, f3 = min(128, d), min(256, d)
    return first + step(32, 64, 9) + residual(64, f2) + residual(f2, f3) + residual(f3, d)


def audio(d, halvings, least, frequencies, taps, flatten=False):
    sizes = [min(max(2**i, least), d) for i in range(1, halvings + 1)]
    first = sizes[0]
    raw = taps * first + 2 * first + step(first, first, taps) + first + 2 * first  # its first step is an ordinary one
    folded = sizes[-1] * (1 if flatten else frequencies)
    return raw + sum(residual(a, b, taps) for a, b in zip(sizes, sizes[1:], strict=False)) + folded * d + 2 * d


def spectral(hparams):
    data = hparams.data
    d = hparams.body.hidden_size
    return audio(d, data.audio_halvings, data.audio_channels, 80, 9, data.audio_flatten)


def label(d):
    def flow(taps):
        skip = step(d, d, taps)
        widths = (d, d, d, 3 * d // 2, 2 * d)
        return skip + sum(step(a, b, taps) for a, b in zip(widths, widths[1:], strict=False))

    over_grids, along_sequences, scores = flow(9), flow(5), CLASSES * 2 * d
    return over_grids + along_sequences + scores


def expected(hparams):
    d = hparams.body.hidden_size
    commands = 3 * d
    return body(hparams.body) + text(d) + image(d) + spectral(hparams) + label(d) + commands


@pytest.fixture
def counted():
    """Return a function that counts the parameters of a net of these hparams from shapes, without making weights."""

    def count(hparams, problems=PROBLEMS):
        with keras.StatelessScope(initialize_variables=False):
            net = Net(problems, hparams)
            net.build()
        return sum(int(np.prod(weight.shape)) for weight in net.trainable_variables)

    yield count
    keras.utils.clear_session()  # which would otherwise make them later


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        *((name, "") for name in HPARAM_SETS if name.startswith("multimodel_")),
        *(("multimodel_demo", changes) for changes in ("experts=0", "attention=False", "mixing=blocks")),
    ],
)
def test_the_number_of_parameters_is_the_sum_of_its_parts(name, changes, counted):
    hparams = HPARAM_SETS[name]().override(changes)
    assert counted(hparams) == expected(hparams)


@pytest.mark.parametrize("name", [name for name in HPARAM_SETS if name.startswith("multimodel_")])
def test_a_net_of_waveforms_has_kernels_along_time_alone(name, counted):
    hparams = HPARAM_SETS[name]()
    with_it = counted(hparams, PROBLEMS | {"hear": Signature(WAVE, TEXT, "to-english")})
    data = hparams.data
    net = audio(hparams.body.hidden_size, data.waveform_halvings, data.audio_channels, 1, 3)
    assert with_it - counted(hparams) == net


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("multimodel_paper", 1_179_730_184),
        ("multimodel_paper_single", 424_018_184),
        ("multimodel_base", 293_221_024),
        ("multimodel_small", 46_929_312),
        ("multimodel_tiny", 8_981_280),
        ("multimodel_demo", 2_122_704),
    ],
)
def test_the_sets_are_as_large_as_the_documents_say(name, count):
    assert expected(HPARAM_SETS[name]()) == count
