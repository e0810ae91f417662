"""Language models continue a forced prefix as if they had written it, independent of the rest of the batch."""

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
    """Make a decoder of a net with a table; its problem "write" has no input."""
    return lambda table, **data: Decoder(chain_net(table), letters, DataHparams(**data), {"write": 900.0})


def answers(decoder, values, **options):
    """Return texts, without the source that a LettersCodec appends, and scores."""
    results = decoder.decode("write", values, DecodeOptions(alpha=0.0, **options))
    return [[(one.text.partition(" ")[0], one.score) for one in result.answers] for result in results]


def near(score):
    return pytest.approx(np.log(score), rel=1e-4, abs=1e-6)


def test_greedy_search_continues_each_prefix_of_a_batch(decoder_of):
    actual = answers(decoder_of(GARDEN_PATH), ["", "b", "a", "ac", "ab"])
    expected = [("a.", 0.6 * 0.4), ("b.", 0.9), ("a.", 0.4), ("ac.", 1.0), ("ab.", 0.9)]  # probability of the new ids
    assert actual == [[(text, near(probability))] for text, probability in expected]


def test_beam_search_continues_each_prefix_of_a_batch(decoder_of):
    actual = answers(decoder_of(GARDEN_PATH), ["", "a", "ab"], beam_size=3, n_best=2)
    nothing = [("b.", near(0.4 * 0.9)), ("a.", near(0.6 * 0.4))]
    after_a = [("a.", near(0.4)), ("ab.", near(0.35 * 0.9))]
    after_ab = [("ab.", near(0.9)), ("abc.", near(0.1))]
    assert actual == [nothing, after_a, after_ab]


def test_a_score_counts_the_ids_of_the_prefix_in_its_length(decoder_of):
    for beams in (1, 2):
        [result] = decoder_of(GARDEN_PATH).decode("write", ["ab"], DecodeOptions(alpha=1.0, beam_size=beams))
        assert result.answers[0].score == pytest.approx(np.log(0.9) * 6 / (5 + 3), rel=1e-4)  # a, b and the end


def test_the_extra_length_limits_the_ids_after_a_prefix_and_at_least_one_is_written(decoder_of):
    decoder = decoder_of(FOR_EVER)
    for beams in (1, 2):
        texts = [result[0][0] for result in answers(decoder, ["", "a", "aaa"], beam_size=beams, extra_length=3)]
        assert texts == ["aaa", "aaaa", "aaaaaa"]
        assert [result[0][0] for result in answers(decoder, ["", "aa"], extra_length=0)] == ["a", "aaa"]
    decoder.net.longest = 5
    assert [result[0][0] for result in answers(decoder, ["", "aaaa"], extra_length=9)] == ["aaaaa", "aaaaa"]


def test_a_prefix_that_cannot_be_continued_fails_and_the_others_are_decoded(decoder_of):
    decoder = decoder_of(FOR_EVER, max_length=7)
    decoder.net.longest = 5
    good, letters, long, longer = decoder.decode("write", ["aa", "axa", "aaaaa", "a" * 8], DecodeOptions())
    assert isinstance(good, Decoded)
    assert letters == Failure("'axa' holds other letters than a, b and c.")
    too_long = "It takes 6 positions, including one for the next id; the model has 5. Give only its end."
    assert long == Failure(too_long)
    assert "Its length is 8 ids; the model was trained on lengths up to 7 ids. Give only its end" in longer.reason


def test_samples_begin_with_the_prefix_and_follow_the_models_distribution(decoder_of):
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
    "bn_lstm_tiny": {"hidden_size": 8, "statistics_steps": 4},  # fewer than the ids that are written
    "transformer_tiny": {"hidden_size": 8, "encoder_layers": 1, "decoder_layers": 1, "filter_size": 8},
    "multimodel_demo": {"hidden_size": 8, "encoder_blocks": 1, "decoder_blocks": 1, "experts": 0, "attention_heads": 2},
}
PREFIXES = ["", "ab", "d\ncab", " ", "abcdabcdabcd", "cc"]


@pytest.fixture(scope="module", params=list(SIZES))
def language_model(request, scrambled):
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


def test_greedy_search_after_a_prefix_writes_the_argmax_of_the_teacher_forced_logits(language_model):
    decoder, codec = language_model
    teacher_forced = for_all_shapes(
        lambda arrays: decoder.net.teacher_forced("speak", {"targets": arrays}, decoder.net.command("speak"))[0],
        decoder.net.variables,
        codec.spec(decoder.hparams),
    )
    options = DecodeOptions(extra_length=7, alpha=0.0)
    batch_results = decoder.decode("speak", PREFIXES, options)
    for prefix, result in zip(PREFIXES, batch_results, strict=True):
        ids = written(decoder, codec, prefix, options)
        start = len(prefix)
        assert codec.show(ids) == result.text and result.text.startswith(prefix.replace("\n", "\u23ce"))
        assert 0 < len(ids) - start <= 7
        arrays = codec.batch([ids], 1, 32)
        logits_TV = np.array(ops.convert_to_numpy(teacher_forced(arrays))[0, : len(ids)], "float64")
        logits_TV[:, PAD] = -np.inf
        np.testing.assert_array_equal(np.argmax(logits_TV, axis=-1)[start:], ids[start:])
        log_probs_TV = logits_TV - np.log(np.exp(logits_TV).sum(axis=-1, keepdims=True))
        expected = log_probs_TV[np.arange(len(ids)), ids][start:].sum()
        assert result.answers[0].score == pytest.approx(expected, rel=1e-3, abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        DecodeOptions(extra_length=7, beam_size=2, n_best=2),
        DecodeOptions(extra_length=7, sampling=Sampling(top_k=5, top_p=0.9, seed=1), n_best=2),
    ],
    ids=["beams", "samples"],
)
def test_the_answer_to_a_prefix_does_not_depend_on_the_rest_of_the_batch(language_model, options):
    decoder, _ = language_model
    items = [decoder.item("speak", value, place) for place, value in enumerate(PREFIXES)]
    for item, expected in zip(items, decoder.answer("speak", items, options), strict=True):
        alone, *_ = decoder.answer("speak", [item] * len(items), options)  # in as many rows, which are compiled already
        assert [one.text for one in alone.answers] == [one.text for one in expected.answers]
        assert [one.score for one in alone.answers] == pytest.approx([one.score for one in expected.answers], rel=1e-3)


def written(decoder, codec, prefix, options):
    """Return the ids of the answer, including its prefix and its end."""
    shown = []
    real, codec.show = codec.show, lambda ids, source=None: shown.append(ids) or ""
    try:
        decoder.decode("speak", [prefix] * len(PREFIXES), options)
    finally:
        codec.show = real
    return shown[0]
