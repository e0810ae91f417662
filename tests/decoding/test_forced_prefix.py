"""Language models go on with what is begun: as they would if they had written it, whatever else is in the batch."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import ops

from t2t_mm.data.features.characters import Alphabet, CharactersCodec
from t2t_mm.data.vocabulary import PAD
from t2t_mm.decoding.answers import Decoded, DecodeOptions, Failure, Sampling
from t2t_mm.decoding.compiled import for_all_shapes
from t2t_mm.decoding.decoder import Decoder
from t2t_mm.feature import Signature
from t2t_mm.hparam_set import DataHparams
from t2t_mm.models.net import Net
from t2t_mm.registry import HPARAM_SETS

A, B, C = 2, 3, 4
GARDEN_PATH = {0: {A: 0.6, B: 0.4}, A: {1: 0.4, B: 0.35, C: 0.25}, B: {1: 0.9, C: 0.1}}
FOR_EVER = {0: {A: 1.0}, A: {A: 1.0}}


@pytest.fixture
def decoder_of(chain_net, letters):
    """A decoder of a net with the given table, whose problem "write" reads nothing."""
    return lambda table, **data: Decoder(chain_net(table), letters, DataHparams(**data), {"write": 900.0})


def answers(decoder, values, **options):
    """Texts without what a LettersCodec says of their source, with scores."""
    found = decoder.decode("write", values, DecodeOptions(alpha=0.0, **options))
    return [[(one.text.partition(" ")[0], one.score) for one in result.answers] for result in found]


def near(score):
    return pytest.approx(np.log(score), rel=1e-4, abs=1e-6)


def test_greedy_goes_on_with_each_beginning_of_a_batch(decoder_of):
    found = answers(decoder_of(GARDEN_PATH), ["", "b", "a", "ac", "ab"])
    expected = [("a.", 0.6 * 0.4), ("b.", 0.9), ("a.", 0.4), ("ac.", 1.0), ("ab.", 0.9)]  # probability of what is new
    assert found == [[(text, near(probability))] for text, probability in expected]


def test_beams_go_on_with_each_beginning_of_a_batch(decoder_of):
    found = answers(decoder_of(GARDEN_PATH), ["", "a", "ab"], beam_size=3, n_best=2)
    nothing = [("b.", near(0.4 * 0.9)), ("a.", near(0.6 * 0.4))]
    after_a = [("a.", near(0.4)), ("ab.", near(0.35 * 0.9))]
    after_ab = [("ab.", near(0.9)), ("abc.", near(0.1))]
    assert found == [nothing, after_a, after_ab]


def test_a_score_counts_the_ids_of_the_beginning_in_its_length(decoder_of):
    for beams in (1, 2):
        [result] = decoder_of(GARDEN_PATH).decode("write", ["ab"], DecodeOptions(alpha=1.0, beam_size=beams))
        assert result.answers[0].score == pytest.approx(np.log(0.9) * 6 / (5 + 3), rel=1e-4)  # a, b and the end


def test_so_many_ids_are_written_behind_a_beginning_as_the_extra_length_says_and_one_at_least(decoder_of):
    decoder = decoder_of(FOR_EVER)
    for beams in (1, 2):
        texts = [result[0][0] for result in answers(decoder, ["", "a", "aaa"], beam_size=beams, extra_length=3)]
        assert texts == ["aaa", "aaaa", "aaaaaa"]
        assert [result[0][0] for result in answers(decoder, ["", "aa"], extra_length=0)] == ["a", "aaa"]
    decoder.net.longest = 5
    assert [result[0][0] for result in answers(decoder, ["", "aaaa"], extra_length=9)] == ["aaaaa", "aaaaa"]


def test_what_cannot_be_gone_on_with_fails_alone(decoder_of):
    decoder = decoder_of(FOR_EVER, max_length=7)
    decoder.net.longest = 5
    good, letters, long, longer = decoder.decode("write", ["aa", "axa", "aaaaa", "a" * 8], DecodeOptions())
    assert isinstance(good, Decoded)
    assert letters == Failure("'axa' holds other letters than a, b and c.")
    several = "It takes 6 positions, with the one that it is to go on with; the model has 5. Give its end alone."
    assert long == Failure(several)
    assert "Its length is 8 ids; the model was trained on lengths up to 7 ids. Give its end" in longer.reason


def test_samples_begin_as_they_are_told_and_are_drawn_as_the_model_has_it(decoder_of):
    drawn = DecodeOptions(sampling=Sampling(seed=3), n_best=200, alpha=0.0)
    decoder = decoder_of(GARDEN_PATH)
    one, other = decoder.decode("write", ["a", ""], drawn)
    texts = [answer.text.partition(" ")[0] for answer in one.answers]
    share = {text: texts.count(text) / 200 for text in set(texts)}
    assert share.keys() <= {"a.", "ab.", "abc.", "ac."}
    assert share["a."] == pytest.approx(0.4, abs=0.1) and share["ac."] == pytest.approx(0.25, abs=0.1)
    begins = [answer.text[0] for answer in other.answers]
    assert begins.count("b") / 200 == pytest.approx(0.4, abs=0.1)
    few = replace(drawn, n_best=5, batch_size=1)
    assert [answer.text for answer in decoder.decode("write", ["a"], few)[0].answers] == [
        answer.text for answer in one.answers[:5]
    ]


ALPHABET = "abcd \n"
SIZES = {
    "bn_lstm_tiny": {"hidden_size": 8, "statistics_steps": 4},  # fewer than are written
    "transformer_tiny": {"hidden_size": 8, "encoder_layers": 1, "decoder_layers": 1, "filter_size": 8},
    "multimodel_demo": {"hidden_size": 8, "encoder_blocks": 1, "decoder_blocks": 1, "experts": 0, "attention_heads": 2},
}
BEGINNINGS = ["", "ab", "d\ncab", " ", "abcdabcdabcd", "cc"]


@pytest.fixture(scope="module", params=list(SIZES))
def speaker(request, scrambled):
    """A language model of characters with random weights, and its codec."""
    hparams = HPARAM_SETS[request.param]()
    codec = CharactersCodec("abc", Alphabet(ALPHABET))
    net = Net(
        {"speak": Signature(None, codec.port, "speak")},
        replace(hparams, body=replace(hparams.body, **SIZES[request.param])),
    )
    keras.utils.set_random_seed(0)
    net.build()
    scrambled(net)
    return Decoder(net, {"speak": {"targets": codec}}, hparams.data, {}), codec


def test_greedy_is_step_by_step_what_the_model_finds_likeliest_when_it_reads_it_whole(speaker):
    decoder, codec = speaker
    read_whole = for_all_shapes(
        lambda arrays: decoder.net.judge("speak", {"targets": arrays}, decoder.net.command("speak"))[0],
        decoder.net.variables,
        codec.spec(decoder.hparams),
    )
    how = DecodeOptions(extra_length=7, alpha=0.0)
    together = decoder.decode("speak", BEGINNINGS, how)
    for beginning, result in zip(BEGINNINGS, together, strict=True):
        ids = written(decoder, codec, beginning, how)
        start = len(beginning)
        assert codec.show(ids) == result.text and result.text.startswith(beginning.replace("\n", "\u23ce"))
        assert 0 < len(ids) - start <= 7
        arrays = codec.batch([ids], 1, 32)
        logits_TV = np.array(ops.convert_to_numpy(read_whole(arrays))[0, : len(ids)], "float64")
        logits_TV[:, PAD] = -np.inf
        np.testing.assert_array_equal(np.argmax(logits_TV, axis=-1)[start:], ids[start:])
        log_probs_TV = logits_TV - np.log(np.exp(logits_TV).sum(axis=-1, keepdims=True))
        expected = log_probs_TV[np.arange(len(ids)), ids][start:].sum()
        assert result.answers[0].score == pytest.approx(expected, rel=1e-3, abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    "how",
    [
        DecodeOptions(extra_length=7, beam_size=2, n_best=2),
        DecodeOptions(extra_length=7, sampling=Sampling(top_k=5, top_p=0.9, seed=1), n_best=2),
    ],
    ids=["beams", "samples"],
)
def test_each_beginning_of_a_batch_is_answered_as_it_is_alone(speaker, how):
    decoder, _ = speaker
    items = [decoder.item("speak", value, place) for place, value in enumerate(BEGINNINGS)]
    for item, expected in zip(items, decoder.answer("speak", items, how), strict=True):
        alone, *_ = decoder.answer("speak", [item] * len(items), how)  # in as many rows, which are compiled already
        assert [one.text for one in alone.answers] == [one.text for one in expected.answers]
        assert [one.score for one in alone.answers] == pytest.approx([one.score for one in expected.answers], rel=1e-3)


def written(decoder, codec, beginning, how):
    """The ids of the answer, its beginning and its end included."""
    shown = []
    real, codec.show = codec.show, lambda ids, source=None: shown.append(ids) or ""
    try:
        decoder.decode("speak", [beginning] * len(BEGINNINGS), how)
    finally:
        codec.show = real
    return shown[0]
