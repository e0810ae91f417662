import numpy as np
import pytest
from keras import ops

from t2t_mm.data.features.audio import Audio
from t2t_mm.data.features.audio_file import AudioClip
from t2t_mm.decoding.answers import Sampling
from t2t_mm.decoding.compiled import for_all_shapes
from t2t_mm.decoding.decoder import Decoded, DecodeOptions, Decoder, Failure
from t2t_mm.errors import UnknownName, UserError
from t2t_mm.feature import Port, Signature
from t2t_mm.hparam_set import DataHparams, HparamSet, TrainingHparams
from t2t_mm.models.multimodel.hparams import MultiModelHparams
from t2t_mm.models.net import Net

A, B, C = 2, 3, 4
GARDEN_PATH = {0: {A: 0.6, B: 0.4}, A: {1: 0.4, B: 0.35, C: 0.25}, B: {1: 0.9, C: 0.1}}
LETTER_C = {0: {C: 1.0}}
FOR_EVER = {0: {A: 1.0}, A: {A: 1.0}}


@pytest.fixture
def decoder(chain_net, letters):
    """A decoder: inputs that begin with a use GARDEN_PATH, with b LETTER_C, with c FOR_EVER."""
    ratios = dict.fromkeys(("spell", "spell_too", "name"), 1.0)
    return Decoder(chain_net(GARDEN_PATH, LETTER_C, FOR_EVER), letters, DataHparams(max_length=40), ratios)


def texts(results):
    return [result.text if isinstance(result, Decoded) else None for result in results]


def test_answers_are_in_the_order_of_the_inputs_whatever_their_lengths(decoder):
    values = ["a", "bb", "abc", "b", "aaaaaa", "bca", "ab"]
    expected = [f"a. from {v}" if v[0] == "a" else f"c. from {v}" for v in values]
    for batch_size in (1, 2, 32):
        assert texts(decoder.decode("spell", values, DecodeOptions(batch_size=batch_size))) == expected


def test_greedy_answers_have_their_score(decoder):
    (result,) = decoder.decode("spell", ["a"], DecodeOptions(alpha=1.0))
    (answer,) = result.answers
    assert (answer.text, answer.complete) == ("a. from a", True)
    assert answer.score == pytest.approx(np.log(0.6 * 0.4) * 6 / 7, rel=1e-5)


def test_beam_search_returns_several_answers_best_first(decoder):
    options = DecodeOptions(beam_size=2, n_best=2, alpha=0.0)
    first, second = decoder.decode("spell", ["a", "b"], options)
    assert [answer.text for answer in first.answers] == ["b. from a", "a. from a"]
    assert [answer.score for answer in first.answers] == pytest.approx([np.log(0.36), np.log(0.24)], rel=1e-5)
    assert [answer.text for answer in second.answers] == ["c. from b"]  # the only possible output


def test_the_limit_of_an_output_is_a_quarter_more_than_training_targets_plus_the_extra_length(decoder):
    decoder.target_ratios = {"spell": 2.0}
    values = ["c", "ccc"]  # 2 and 4 ids with their ends: ceil(1.25 * 2 * 2) + 3 = 8, ceil(1.25 * 2 * 4) + 3 = 13
    for beams in (1, 2):
        one, three = decoder.decode("spell", values, DecodeOptions(extra_length=3, beam_size=beams))
        assert (one.text, three.text) == ("a" * 8 + " from c", "a" * 13 + " from ccc")
        assert not one.answers[0].complete


def test_a_bad_value_fails_with_its_reason_and_the_others_are_decoded(decoder):
    results = decoder.decode("spell", ["a", "xyz", "", "b" * 41, "  ", "b"])
    assert texts(results) == ["a. from a", None, None, None, None, "c. from b"]
    assert results[1] == Failure("'xyz' holds other letters than a, b and c.")
    assert results[2] == results[4] == Failure("The input is empty.")
    assert "Its length is 42 ids; the model was trained on lengths up to 40 ids. Cut it" in results[3].reason


def test_audio_that_is_too_long_fails_with_its_length_in_seconds(decoder, letters, tmp_path):
    spoken = {"inputs": Audio().open(tmp_path), "targets": letters["spell"]["targets"]}
    audio_decoder = Decoder(decoder.net, {"hear": spoken}, DataHparams(audio_seconds=2.5), {"hear": 1.0})
    assert audio_decoder.item("hear", AudioClip(np.zeros(20_000), 8000), 0).length == 250
    with pytest.raises(UserError, match=r"Its length is 2\.51 seconds; .* up to 2\.50 seconds\. Cut it"):
        audio_decoder.item("hear", AudioClip(np.zeros(20_080), 8000), 0)


def test_decoding_no_values_returns_no_results(decoder):
    assert decoder.decode("spell", []) == []
    assert isinstance(decoder.decode("name", [""])[0], Failure)


DRAWN = DecodeOptions(sampling=Sampling(temperature=3.0, seed=1), n_best=3, alpha=0.0)


def test_samples_are_in_the_order_of_drawing_with_their_own_probability(decoder):
    values = ["a" * (1 + place % 7) for place in range(40)]
    results = decoder.decode("spell", values, DRAWN)
    probability = {"a.": 0.6 * 0.4, "ab.": 0.6 * 0.35 * 0.9, "ac.": 0.6 * 0.25, "b.": 0.4 * 0.9, "bc.": 0.4 * 0.1}
    written = set()
    for value, result in zip(values, results, strict=True):
        for answer in result.answers:
            ids, _, source = answer.text.partition(" from ")
            written.add(ids)
            assert source == value and answer.complete
            if ids in probability:
                assert np.exp(answer.score) == pytest.approx(probability[ids], rel=1e-4)
        assert len(result.answers) == 3
    assert written > probability.keys()
    again = decoder.decode("spell", values, DRAWN)
    assert [result.answers for result in again] == [result.answers for result in results]
    other = decoder.decode("spell", values, DecodeOptions(sampling=Sampling(temperature=3.0, seed=2), n_best=3))
    assert texts(other) != texts(results)


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_a_sample_depends_only_on_the_index_of_its_value_and_its_number(decoder, batch_size):
    values = ["a" * (1 + place % 7) for place in range(20)]
    results = decoder.decode("spell", values, DRAWN)
    items = [decoder.item("spell", value, place) for place, value in enumerate(values)]
    options = DecodeOptions(sampling=DRAWN.sampling, n_best=2, batch_size=batch_size)
    some = decoder.answer("spell", items[5:16], options)
    assert [[one.text for one in result.answers] for result in some] == [
        [one.text for one in result.answers[:2]] for result in results[5:16]
    ]


def test_a_class_problem_returns_every_class_with_its_probability(decoder):
    a, c = decoder.decode("name", ["ab", "ca"], DecodeOptions(beam_size=4))
    assert [answer.text for answer in a.answers] == ["small", "middle", "large"]
    assert [answer.score for answer in a.answers] == pytest.approx([1 / 3] * 3)
    assert [answer.text for answer in c.answers] == ["large", "middle", "small"]  # odds 1 : 2^2 : 5^2
    assert [answer.score for answer in c.answers] == pytest.approx([25 / 30, 4 / 30, 1 / 30])


def test_progress_is_reported_after_each_batch(decoder):
    done = []
    decoder.decode("spell", ["a", "b", "", "ab", "bb"], DecodeOptions(batch_size=3), done.append)
    assert done == [4, 5]


def test_a_problem_that_cannot_be_decoded_is_refused_with_a_reason(decoder):
    with pytest.raises(UnknownName, match="'spel'. Did you mean 'spell'"):
        decoder.decode("spel", ["a"])
    decoder.codecs = {**decoder.codecs, "name": {"targets": decoder.codecs["name"]["targets"]}}
    with pytest.raises(UserError, match="name reads no input, so there is nothing to decode"):
        decoder.decode("name", ["a"])


def test_non_finite_weights_give_a_failure(decoder):
    decoder.net.table.assign(decoder.net.table * float("nan"))
    for beams in (1, 2):
        (result,) = decoder.decode("spell", ["a"], DecodeOptions(beam_size=beams))
        assert isinstance(result, Failure) and "non-finite" in result.reason


@pytest.mark.parametrize("wrong", [{"beam_size": 0}, {"alpha": -0.1}, {"batch_size": 0}, {"n_best": 2}])
def test_decode_options_out_of_range_are_refused(wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        DecodeOptions(**wrong)


def test_problems_of_one_kind_share_a_program_and_keep_their_commands(decoder, monkeypatch):
    traced, step = [], decoder.net.step
    monkeypatch.setattr(decoder.net, "step", lambda *args: traced.append(1) or step(*args))
    assert texts(decoder.decode("spell", ["a", "bb", "a" * 20]))[:2] == ["a. from a", "c. from bb"]
    once = len(traced)
    assert once > 0
    # Starts as if "a" had been written, after which GARDEN_PATH ends and LETTER_C does too.
    assert texts(decoder.decode("spell_too", ["b" * 30, "a", "bb"]))[1:] == [". from a", ". from bb"]
    assert len(traced) == once
    decoder.decode("spell", ["b" * 39] * 3)  # 40 ids: beyond 32
    assert len(traced) > once


VALUES = ["abc", "b", "ccab", "acbacbacb", "bbbbbabab", "cab"]


@pytest.fixture(scope="module")
def real_decoder(letters):
    """A decoder of a MultiModel with random weights, with experts, whose logits differ enough for a clear argmax."""
    hparams = MultiModelHparams(
        hidden_size=16,
        encoder_blocks=1,
        mixer_blocks=1,
        decoder_blocks=1,
        experts=4,
        experts_per_token=2,
        expert_size=8,
        attention_heads=2,
    )
    text = Port("text", "letters", 5)
    net = Net(
        {"spell": Signature(text, text, "generic")}, HparamSet("multimodel", hparams, TrainingHparams(), DataHparams())
    )
    net.build()
    random = np.random.default_rng(5)
    for weight in net.trainable_variables:
        weight.assign(weight.value + random.normal(0, 0.3, weight.shape))
    return Decoder(net, letters, DataHparams(), {"spell": 1.0})


def test_an_answer_of_a_real_net_does_not_depend_on_the_rest_of_the_batch(real_decoder):
    options = DecodeOptions(extra_length=4)
    batch_results = real_decoder.decode("spell", VALUES, options)
    assert len(set(texts(batch_results))) > 1
    for value, expected in zip(VALUES, batch_results, strict=True):
        for result in real_decoder.decode("spell", [value] * 5, options):
            assert result.text == expected.text
            assert result.answers[0].score == pytest.approx(expected.answers[0].score, rel=1e-4)


def test_greedy_search_writes_the_argmax_of_the_teacher_forced_logits(real_decoder, letters):
    net, codec = real_decoder.net, letters["spell"]["inputs"]

    def logits(arrays):
        inputs = {"ids": arrays["ids"], "lengths": arrays["lengths"]}
        targets = {"ids": arrays["written"], "lengths": arrays["written_lengths"]}
        return net.teacher_forced("spell", {"inputs": inputs, "targets": targets}, net.command("spell"))[0]

    spec = codec.spec(DataHparams())
    specs = spec | {"written": spec["ids"], "written_lengths": spec["lengths"]}
    teacher_forced = for_all_shapes(logits, net.variables, specs)
    results = real_decoder.decode("spell", VALUES, DecodeOptions(extra_length=4))
    for value, result in zip(VALUES, results, strict=True):
        written = np.array(["_.abc".index(letter) for letter in result.text.partition(" ")[0]])
        source = codec.batch([codec.load(codec.store(value), DataHparams(), None)], 1, len(value) + 1)
        target = codec.batch([written], 1, len(written))
        logits_BTV = teacher_forced(source | {"written": target["ids"], "written_lengths": target["lengths"]})
        argmax_T = np.argmax(ops.convert_to_numpy(logits_BTV)[0, :, 1:], axis=-1) + 1  # anything but the pad
        np.testing.assert_array_equal(argmax_T, written)
