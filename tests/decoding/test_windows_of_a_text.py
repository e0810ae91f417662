"""Answers from texts that are read in windows: the joined outputs of a real net for each window."""

import json

import pytest
from keras import ops

from t2t_mm.data.datagen.generate import generate
from t2t_mm.data.features.span import LONGEST
from t2t_mm.data.input.generated_problem import open_problem
from t2t_mm.decoding.answers import Decoded, DecodeOptions, Failure
from t2t_mm.decoding.decoder import Decoder
from t2t_mm.evaluation.score import score
from t2t_mm.hparam_set import DataHparams
from t2t_mm.layers.forward import Forward
from t2t_mm.models.net import Net
from t2t_mm.registry import HPARAM_SETS, PROBLEMS
from t2t_mm.train.optim.optimizer import Optimizer
from t2t_mm.train.step.steps import Steps

LONG = " ".join(f"House {n} is in village {n % 9}." for n in range(20)) + " The stone is in Brin."
QUESTION, SHORT = "Where is the stone?", "The stone is in Kirk."


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    folder = tmp_path_factory.mktemp("squad")
    (folder / "squad").mkdir()
    for split in ("train", "dev"):
        paragraphs = []
        for id, context, words in (("long", LONG, "Brin"), ("short", SHORT, "Kirk")):
            answers = [{"text": words, "answer_start": context.index(words)}]
            paragraphs.append({"context": context, "qas": [{"id": id, "question": QUESTION, "answers": answers}]})
        content = {"version": "1.1", "data": [{"title": "x", "paragraphs": paragraphs}]}
        (folder / "squad" / f"{split}-v1.1.json").write_text(json.dumps(content))
    generate({"qa_squad": PROBLEMS["qa_squad"]}, folder / "data", folder, report=lambda line: None)
    return open_problem("qa_squad", PROBLEMS["qa_squad"], folder / "data")


@pytest.fixture(scope="module")
def hparams():
    small = "hidden_size=8,encoder_layers=1,filter_size=8,attention_heads=2,max_positions=64"
    return HPARAM_SETS["bert_tiny"]().override(f"{small},max_length=40,window_stride=16,batch_size=160")


@pytest.fixture(scope="module")
def net(ready, hparams, scrambled):
    net = Net({"qa_squad": ready.signature}, hparams)
    net.build()
    return scrambled(net)


def decoder_of(net, ready, data):
    return Decoder(net, {"qa_squad": ready.codecs}, data, {"qa_squad": 1.0})


@pytest.fixture(scope="module")
def decoder(net, ready, hparams):
    return decoder_of(net, ready, hparams.data)


def best_span_probability(net, inputs, window):
    """Return the greatest P(first place) P(last place) of a span of the text in a window without padding."""
    ids_L = inputs.load(window, DataHparams(), None)
    arrays = inputs.batch([ids_L], 1, len(ids_L))
    logits_1C = net.classify("qa_squad", net.encode("qa_squad", arrays, Forward()))
    starts_L, ends_L = 2 * ops.convert_to_numpy(ops.softmax(logits_1C))[0].reshape(2, -1)
    text = range(ids_L.tolist().index(inputs.sep) + 1, len(ids_L) - 1)
    return max(starts_L[i] * ends_L[j] for i in text for j in text if i <= j < i + LONGEST)


def test_the_answer_is_the_best_span_of_all_windows(net, decoder, ready, hparams):
    inputs, done = ready.codecs["inputs"], []
    windows = inputs.windows(inputs.store((QUESTION, LONG)), hparams.data)
    values, options = [(QUESTION, LONG), (QUESTION, SHORT)], DecodeOptions(batch_size=4)
    long, short = decoder.decode("qa_squad", values, options, done.append)
    each = [best_span_probability(net, inputs, window) for window in windows]
    assert len(each) > 5 and long.answers[0].score == pytest.approx(max(each), rel=1e-3)
    assert short.answers[0].score == pytest.approx(
        best_span_probability(net, inputs, inputs.store((QUESTION, SHORT))), rel=1e-3
    )
    assert long.text in LONG and short.text in SHORT
    scores = [answer.score for answer in long.answers]
    assert scores == sorted(scores, reverse=True) and len({answer.text for answer in long.answers}) == len(scores)
    assert done == sorted(done) and done[-1] == 2


def test_a_window_longer_than_the_model_fails_and_the_others_are_answered(net, ready):
    decoder = decoder_of(net, ready, DataHparams(max_length=65))
    long, short = decoder.decode("qa_squad", [(QUESTION, LONG), (QUESTION, SHORT)])
    assert isinstance(long, Failure) and "It takes 65 positions; the model has 64." in long.reason
    assert isinstance(short, Decoded)


def test_metrics_count_questions_not_windows(decoder, ready, hparams, net):
    steps = Steps(
        net,
        Optimizer(net.trainable_variables, net.commands, hparams.training),
        {"qa_squad": {name: codec.spec(hparams.data) for name, codec in ready.codecs.items()}},
        hparams.training,
        seed=0,
    )
    scored = score(decoder, steps, ready, "dev", DecodeOptions())
    assert scored.ids == ("dev/long", "dev/short") and scored.unanswered == 0
    assert {figure.name: len(figure.sums_NK) for figure in scored.figures} == {
        "log_perplexity": 2,
        "squad_exact": 2,
        "squad_f1": 2,
    }
