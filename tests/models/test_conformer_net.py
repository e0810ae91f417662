"""Modality nets around a Conformer's body, with both kinds of decoding."""

import keras
import numpy as np
import pytest
from building_blocks import built
from keras import ops

from t2t_mm.errors import UserError
from t2t_mm.feature import Port, Signature
from t2t_mm.layers.forward import Forward, Noise
from t2t_mm.models.net import Net
from t2t_mm.registry import HPARAM_SETS

HPARAMS = HPARAM_SETS["conformer_tiny"]().override(
    "hidden_size=8,encoder_layers=2,filter_size=12,attention_heads=2,kernel_size=4,decoder_size=6,dropout=0"
)
WORDS, AUDIO, WAVE = (
    Port("text", "text_words", 11),
    Port("audio_spectral", "audio", 0),
    Port("audio_waveform", "wave", 0),
)
PROBLEMS = {
    "digits": Signature(AUDIO, WORDS, "to-english"),
    "captions": Signature(AUDIO, WORDS, "to-english"),
    "wave": Signature(WAVE, WORDS, "to-english"),
    "speaker": Signature(AUDIO, Port("label", "label_speaker", 3), "to-label"),
}
LENGTHS_B, MOST = np.array([3, 5], "int32"), 5


@pytest.fixture(scope="module", params=["decoder", "ctc"])
def net(request, scrambled):
    return scrambled(made(f"way_out={request.param}"))


def made(changes="", problems=PROBLEMS):
    return built(Net(problems, HPARAMS.override(changes)))


def text():
    ids_BL = np.random.default_rng(0).integers(2, 11, (2, MOST), dtype="int32")
    ids_BL[np.arange(2), LENGTHS_B - 1] = 1
    return {"ids": ids_BL, "lengths": LENGTHS_B}  # pads are noise


def audio(name, size):
    values = np.random.default_rng(0).normal(size=(2, *size)).astype("float32")
    return {name: values, "lengths": np.array([size[0], size[0] * 3 // 4], "int32")}


BATCHES = {
    "digits": {"inputs": audio("frames", (48, 80)), "targets": text()},
    "wave": {"inputs": audio("samples", (10240,)), "targets": text()},
    "speaker": {"inputs": audio("frames", (48, 80)), "targets": {"class": np.array([2, 0], "int32")}},
}
BATCHES["captions"] = BATCHES["digits"]


def teacher_forced(net, problem):
    command = np.int32(net.command(problem))
    return [ops.convert_to_numpy(part) for part in net.teacher_forced(problem, BATCHES[problem], command)]


def log_probabilities(logits):
    return ops.convert_to_numpy(ops.log_softmax(logits, axis=-1))


@pytest.mark.parametrize("problem", BATCHES)
def test_the_loss_is_that_of_the_teacher_forced_logits(net, problem):
    logits_BTV, labels_BT, real_BT = teacher_forced(net, problem)
    nats_BT = -np.take_along_axis(log_probabilities(logits_BTV), labels_BT[..., None], axis=-1)[..., 0]
    loss = net.loss(problem, BATCHES[problem], np.int32(net.command(problem)), Forward(), 0.0)
    assert float(loss.nats) == pytest.approx(nats_BT[real_BT].sum(), rel=1e-3)
    assert float(loss.count) == real_BT.sum()


def test_each_problem_has_steps_and_statistics_of_its_own(net):
    assert net.generates("digits") and net.generates("wave") and not net.generates("speaker")
    assert net.kind("digits") != net.kind("captions")
    forward = Forward(Noise(np.uint32(0)))
    net.loss("digits", BATCHES["digits"], np.int32(0), forward, 0.0)
    assert len(forward.moved) == 2 * 3  # of two blocks
    before_BTV = teacher_forced(net, "captions")[0]
    np.testing.assert_array_equal(teacher_forced(net, "digits")[0], before_BTV)  # nothing has moved yet
    moving = {weight.path: weight for weight in net.non_trainable_variables}
    kept = {path: moving[path].numpy() for path in forward.moved}
    for path, value in forward.moved.items():
        assert "/batch_norm/digits/" in path
        moving[path].assign(value)
    assert abs(teacher_forced(net, "digits")[0] - before_BTV).max() > 1e-3
    np.testing.assert_array_equal(teacher_forced(net, "captions")[0], before_BTV)
    for path, value in kept.items():
        moving[path].assign(value)


def test_checkpoints_hold_the_statistics(net):
    tensors = net.tensors()
    path = "net/body/encoder/block_2/convolution/batch_norm/captions/variance"
    np.testing.assert_array_equal(tensors[path], np.ones(8))
    changed = dict.fromkeys([path], 2 * np.ones(8, "float32"))
    net.restore(tensors | changed)
    np.testing.assert_array_equal(net.tensors()[path], 2 * np.ones(8))
    net.restore(tensors)


@pytest.mark.parametrize("way", ["decoder", "ctc"])
def test_the_first_loss_is_about_what_guessing_costs(way):
    keras.utils.set_random_seed(1)
    fresh = made(f"way_out={way},hidden_size=32", {"digits": PROBLEMS["digits"]})
    forward = Forward(Noise(np.uint32(0)))
    result = fresh.loss("digits", BATCHES["digits"], np.int32(0), forward, 0.0)
    nats = float(result.nats) / float(result.count)
    assert nats == pytest.approx(np.log(11), rel=0.35) if way == "decoder" else 1 < nats < 12


@pytest.mark.parametrize(
    ("signature", "message"),
    [
        (
            Signature(WORDS, WORDS, "x"),
            "its inputs are text, and conformer reads only audio_spectral or audio_waveform inputs",
        ),
        (Signature(None, WORDS, "x"), "it has no inputs"),
    ],
)
def test_a_problem_that_is_no_speech_is_refused_by_name(signature, message):
    with pytest.raises(UserError, match=f"The model conformer cannot learn odd: {message}"):
        Net({"odd": signature}, HPARAMS)
