"""A Conformer from sounds to answers by both ways out: trained, evaluated, decoded greedily, by beams and at random."""

import keras
import numpy as np
import pytest

from t2t_mm.data.features.audio import SpectralCodec
from t2t_mm.data.features.audio_file import AudioClip
from t2t_mm.data.features.text import TextCodec
from t2t_mm.data.input.batch import Batch
from t2t_mm.data.vocabulary import Vocabulary
from t2t_mm.decoding.answers import DecodeOptions, Sampling
from t2t_mm.decoding.decoder import Decoder
from t2t_mm.feature import Signature
from t2t_mm.layers.forward import Forward
from t2t_mm.models.net import Net
from t2t_mm.registry import HPARAM_SETS
from t2t_mm.train.optim.optimizer import Optimizer
from t2t_mm.train.step.steps import Steps

HPARAMS = HPARAM_SETS["conformer_tiny"]().override(
    "hidden_size=32,encoder_layers=1,filter_size=64,attention_heads=4,kernel_size=5,decoder_size=32,dropout=0,"
    "label_smoothing=0,spec_augment=none"
)
PITCHES = {"low": 300.0, "high": 2500.0}
LINES = ["low", "high", "low high", "high low", "low low", "high high low"]
RATE, STEPS = 0.003, 150


def tones(line):
    """A tone of 0.15 s for each word, and a pause of 0.05 s behind it."""
    parts = []
    for word in line.split():
        t_N = np.arange(2400) / 16000
        parts += [9000 * np.sin(2 * np.pi * PITCHES[word] * t_N), np.zeros(800)]
    noise_N = np.random.default_rng(len(line)).normal(0, 30, sum(map(len, parts)))
    return AudioClip((np.concatenate(parts) + noise_N).astype(np.int16), 16000)


@pytest.fixture(scope="module")
def codecs(tmp_path_factory):
    path = tmp_path_factory.mktemp("words") / "vocab.words.model"
    Vocabulary.train(path, LINES, 300)
    return {"inputs": SpectralCodec(), "targets": TextCodec("words", Vocabulary.load(path))}


def batch(codecs, problem="tones", lines=LINES):
    values = {
        "inputs": [codecs["inputs"].load(codecs["inputs"].store(tones(line)), HPARAMS.data, None) for line in lines],
        "targets": [codecs["targets"].load(codecs["targets"].store(line), HPARAMS.data, None) for line in lines],
    }
    arrays = {name: codecs[name].batch(v, len(lines), max(map(len, v))) for name, v in values.items()}
    return Batch(problem, 0, tuple(lines), arrays)


def made(codecs, changes, problems=("tones",)):
    keras.utils.set_random_seed(0)
    hparams = HPARAMS.override(changes)
    signature = Signature(codecs["inputs"].port, codecs["targets"].port, "to-english")
    net = Net(dict.fromkeys(problems, signature), hparams)
    net.build()
    specs = {name: codec.spec(hparams.data) for name, codec in codecs.items()}
    optimizer = Optimizer(net.trainable_variables, net.commands, hparams.training)
    return net, Steps(net, optimizer, dict.fromkeys(problems, specs), hparams.training, 0)


@pytest.mark.slow
@pytest.mark.parametrize("changes", ["way_out=ctc", "way_out=decoder,precision=bfloat16"])
def test_a_step_moves_the_statistics_of_its_problem_and_what_its_way_out_uses_unless_it_is_no_number(codecs, changes):
    net, steps = made(codecs, changes, ("tones", "others"))
    before = net.tensors()
    stepped = steps.train([batch(codecs)], 1, RATE, 1.0)
    assert np.isfinite(float(stepped.nats))
    after = net.tensors()
    moved = {path for path in before if (before[path] != after[path]).any()}
    assert {"/".join(path.split("/")[1:3]) for path in moved} >= {
        "body/encoder",
        "text_words/score",
        "audio_spectral/fold",
    }
    assert "net/body/encoder/block_1/convolution/batch_norm/tones/mean" in moved
    assert not [path for path in moved if "/others/" in path]
    assert any("decoder" in path for path in moved) == ("decoder" in changes)
    assert ("net/commands/to-english" in moved) == ("decoder" in changes)  # CTC has no first word to say it with
    assert after["net/body/encoder/block_1/convolution/batch_norm/tones/batches"] == 1

    score = net.modalities["text_words"].score.rows_VD
    score.assign(np.full(score.shape, np.nan))
    before = net.tensors()
    assert not np.isfinite(float(steps.train([batch(codecs)], 2, RATE, 1.0).nats))
    for path, tensor in net.tensors().items():
        np.testing.assert_array_equal(tensor, before[path])  # statistics too: nothing moves


@pytest.mark.slow
@pytest.mark.parametrize("way", ["ctc", "decoder"])
def test_what_it_learnt_it_writes(codecs, way):
    net, steps = made(codecs, f"way_out={way}")
    whole = batch(codecs)
    for step in range(1, STEPS + 1):
        nats = float(steps.train([whole], step, RATE, 1.0).nats)
    assert nats < 0.1
    sums = steps.evaluate_batch(whole, ["neg_log_perplexity", "accuracy_per_sequence"])
    assert sums["accuracy_per_sequence"].sum(axis=0).tolist() == [6, 6]
    judged_nats = -sums["neg_log_perplexity"].sum(axis=0)
    assert judged_nats[0] / -judged_nats[1] == pytest.approx(nats, abs=0.3)  # by the running statistics
    decoder = Decoder(net, {"tones": codecs}, HPARAMS.data, {"tones": 0.1})
    values = [tones(line) for line in LINES]
    for options in (
        DecodeOptions(),
        DecodeOptions(beam_size=3, n_best=2),
        DecodeOptions(sampling=Sampling(temperature=0.1)),
    ):
        results = decoder.decode("tones", values, options)
        assert [result.text for result in results] == LINES
    # The score is the logarithm of the line's own probability, over the length penalty.
    best = decoder.decode("tones", values, DecodeOptions(beam_size=3, alpha=0.0))
    nats_B = -sums["neg_log_perplexity"][:, 0]
    np.testing.assert_allclose([-result.answers[0].score for result in best], nats_B, atol=1e-3)


def test_encoding_reads_the_statistics_of_its_problem(codecs):
    net, _ = made(codecs, "way_out=ctc", ("tones", "others"))
    inputs = batch(codecs).arrays["inputs"]
    running = net.body.encoder.stack[0].convolution.norm.running
    running["others"].mean_D.assign(np.ones(running["others"].mean_D.shape))
    tones_BLD, others_BLD = (keras.ops.convert_to_numpy(net.encode(n, inputs, Forward()).values_BLD) for n in running)
    assert abs(tones_BLD - others_BLD).max() > 1e-3
