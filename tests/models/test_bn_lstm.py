"""BN-LSTM's body: dependence on the source, statistics of each problem, and refusals."""

import re
from dataclasses import replace

import numpy as np
import pytest
from building_blocks import drawn
from keras import ops

from t2t_mm.errors import UserError
from t2t_mm.feature import Port, Signature
from t2t_mm.layers.forward import Forward, Noise
from t2t_mm.layers.sequence import Seq
from t2t_mm.models.bn_lstm.body import BnLstm
from t2t_mm.models.bn_lstm.hparams import BnLstmHparams

WIDTH = 6
SMALL = BnLstmHparams(hidden_size=WIDTH, encoder_layers=1, decoder_layers=2, statistics_steps=4)
VARIANTS = {
    "normalised": SMALL,
    "plain": replace(SMALL, batch_norm=False),
    "no encoder": replace(SMALL, encoder_layers=0),
}
PROBLEMS = ("digits", "words")
SOURCE, TARGET = 5, 5  # positions: one more than have statistics of their own


@pytest.fixture(scope="module", params=list(VARIANTS))
def body(request, scrambled):
    return made(VARIANTS[request.param], scrambled)


def made(hparams, scrambled):
    """A body with random weights, whose populations have seen a batch of "words"."""
    model = BnLstm(hparams)
    model.problems, model.problem = PROBLEMS, "words"
    model.build(WIDTH)
    scrambled(model)
    train(model, "words")
    return model


def passed(training=False, problem="words"):
    forward = Forward(Noise(np.uint32(0)) if training else None)
    forward.problem = problem
    return forward


def train(model, problem):
    """Do with the populations what a training step does."""
    forward = passed(True, problem)
    source, target = seq(drawn(9, SOURCE, WIDTH, seed=8)), seq(drawn(9, TARGET, WIDTH, seed=9))
    model.decode(model.encode(source, forward), target, forward)
    by_path = {weight.path: weight for weight in model.weights}
    for path, value in forward.moved.items():
        by_path[path].assign(value)


def seq(values_BLD, lengths=None):
    lengths_B = np.array([values_BLD.shape[1]] * len(values_BLD) if lengths is None else lengths)
    real_BL = np.arange(values_BLD.shape[1])[None] < lengths_B[:, None]
    return Seq(ops.convert_to_tensor(values_BLD), ops.convert_to_tensor(real_BL))


def values(result):
    return ops.convert_to_numpy(result.values_BLD if isinstance(result, Seq) else result)


def decode(body, source, target, problem="words"):
    forward = passed(problem=problem)
    return values(body.decode(body.encode(source, forward), target, forward))


def moved_one_by_one(values_1LD):
    """The sequence as it is, then once for each position with another vector there: float[1 + L, L, D]."""
    copies = np.repeat(values_1LD, 1 + values_1LD.shape[1], axis=0)
    for t in range(values_1LD.shape[1]):
        copies[1 + t, t] = 3 * drawn(WIDTH, seed=t + 2)
    return copies


def test_every_output_depends_on_the_source(body):
    target_BLD = np.repeat(drawn(1, TARGET, WIDTH, seed=1), 1 + SOURCE, axis=0)
    out_BLD = decode(body, seq(moved_one_by_one(drawn(1, SOURCE, WIDTH))), seq(target_BLD))
    heard = abs(out_BLD[1:] - out_BLD[0]).max(axis=-1) > 1e-6
    assert heard[-1].all()  # of its last position at least, which is all there is without an encoder
    assert heard.all() == bool(body.hparams.encoder_layers)


def test_each_problem_uses_its_own_statistics(scrambled):
    model = made(SMALL, scrambled)
    source, target = seq(drawn(2, SOURCE, WIDTH)), seq(drawn(2, TARGET, WIDTH, seed=1))
    words_BLD, digits_BLD = (decode(model, source, target, problem) for problem in ("words", "digits"))
    assert abs(words_BLD - digits_BLD).max() > 1e-3  # no batch of "digits" was seen
    train(model, "digits")
    np.testing.assert_array_equal(decode(model, source, target, "words"), words_BLD)
    np.testing.assert_allclose(decode(model, source, target, "digits"), words_BLD, atol=1e-5)  # of the same batch


@pytest.mark.parametrize(
    ("changes", "inputs", "targets", "message"),
    [
        ({}, "text", "text", ""),
        ({"encoder_layers": 0}, None, "text", ""),
        ({"decoder_layers": 0}, "image", "label", ""),
        ({"encoder_layers": 0}, "text", "text", "Inputs need an encoder, .* set encoder_layers=1 or more"),
        ({"decoder_layers": 0}, "text", "text", "Text as targets needs a decoder, .* set decoder_layers=1 or more"),
        ({}, "passage", "label", "attentive reader: set attentive=true"),
        ({"attentive": True, "encoder_layers": 0}, "passage", "label", ""),
    ],
)
def test_a_problem_that_needs_an_encoder_or_a_decoder_without_layers_is_refused(changes, inputs, targets, message):
    ports = [None if modality is None else Port(modality, modality, 9) for modality in (inputs, targets)]
    lacking = BnLstm(replace(SMALL, **changes)).lacks(Signature(*ports, "generic"))
    assert re.search(message, lacking) and bool(lacking) == bool(message)


def test_a_body_without_decoder_layers_refuses_to_decode(scrambled):
    model = BnLstm(replace(SMALL, decoder_layers=0))
    model.problems = PROBLEMS
    model.build(WIDTH)
    memory = model.encode(seq(drawn(2, SOURCE, WIDTH)), passed())
    with pytest.raises(UserError, match="set decoder_layers=1 or more"):
        model.decode(memory, seq(drawn(2, TARGET, WIDTH)), passed())
    with pytest.raises(UserError, match="set decoder_layers=1 or more"):
        model.start(memory, 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"recurrent_start": "ones"}, "recurrent_start is 'orthogonal' or 'identity'; received 'ones'"),
        ({"input_statistics": "none"}, "input_statistics is 'step' or 'sequence'; received 'none'"),
        ({"statistics_steps": 0}, "statistics_steps must be at least 1"),
        ({"statistics_rate": 2.0}, "statistics_rate must be from"),
        ({"encoder_layers": -1}, "encoder_layers must be at least 0"),
    ],
)
def test_impossible_hparams_are_refused(changes, message):
    with pytest.raises(UserError, match=message):
        replace(SMALL, **changes)
