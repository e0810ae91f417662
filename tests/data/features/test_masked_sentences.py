"""Masked sentence pairs: the input, and the targets."""

import numpy as np
import pytest

from t2t_mm.data.features.masked_sentences import MaskedSentences, MaskedWords, SentencePair, masked_count
from t2t_mm.data.features.sentences import Sentences
from t2t_mm.data.keyed_rng import generator
from t2t_mm.data.vocabulary import Vocabulary
from t2t_mm.errors import UserError
from t2t_mm.hparam_set import DataHparams

LINES = [f"the {a} {b} near the {c}" for a in ("red", "old") for b in ("dog", "cat", "bird") for c in ("house", "tree")]
PAIR = SentencePair("the red dog near the tree", "the old cat", follows=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vocabulary")
    Vocabulary.train(folder / "vocab.subwords.model", LINES, 400)
    return folder


@pytest.fixture(scope="module")
def codecs(folder):
    return MaskedSentences().open(folder), MaskedWords().open(folder)


def test_two_sentences_are_read_with_their_marks_and_segments(folder):
    codec = Sentences().open(folder)
    words = codec.vocabulary
    one, other = words.encode("the red dog"), words.encode("the cat")
    loaded = codec.load(codec.store(("the red dog", "the cat")), DataHparams(), None)
    assert loaded.tolist() == [words.size, *one, words.size + 1, *other, words.size + 1]
    batch = codec.batch([loaded], 2, len(loaded) + 1)
    assert batch["segments"][0].tolist() == [0] * (2 + len(one)) + [1] * (1 + len(other)) + [0]
    assert batch["lengths"].tolist() == [len(loaded), 0] and codec.port.size == words.size + 5
    assert codec.show(loaded) == "the red dog [SEP] the cat"


@pytest.mark.parametrize("value", ["the red dog", ("the  red dog", "a cat\u2581")])
def test_stored_sentences_come_back(folder, value):
    codec = Sentences().open(folder)
    assert codec.value(codec.store(value)) == value


@pytest.mark.parametrize("value", ["", (), ("a", " "), ("a", "b", "c"), 3])
def test_what_is_not_one_or_two_sentences_is_refused(folder, value):
    with pytest.raises(UserError, match="one or two lines"):
        Sentences().open(folder).store(value)


def test_a_tab_parts_sentences_to_decode(folder, tmp_path):
    codec = Sentences().open(folder)
    assert codec.parse("a b\tc", tmp_path) == ("a b", "c") and codec.parse("a b", tmp_path) == "a b"


@pytest.mark.parametrize("key", [None, 1, 2, 3])
def test_input_and_targets_agree_on_what_is_hidden(codecs, key):
    read, targets = codecs

    def random():
        return None if key is None else generator(0, "train/1", read.draws, key)

    whole_L = np.frombuffer(read.store(PAIR), "<i4")
    seen_L = read.load(read.store(PAIR), DataHparams(), random())
    ids_T, places_T = targets.load(targets.store(PAIR), DataHparams(), random())
    assert read.draws == targets.draws
    assert ids_T[0] == targets.next and places_T[0] == 0
    assert whole_L[places_T[1:]].tolist() == ids_T[1:].tolist()
    assert len(ids_T) == 1 + masked_count(len(whole_L))
    assert set(np.flatnonzero(seen_L != whole_L)) <= set(places_T[1:].tolist())


def test_each_epoch_hides_others_and_evaluation_always_the_same(codecs):
    targets = codecs[1]
    stored = targets.store(PAIR)
    places = {
        tuple(targets.load(stored, DataHparams(), generator(0, "train/1", "masked", epoch))[1]) for epoch in range(20)
    }
    assert len(places) > 5
    assert (targets.load(stored, DataHparams(), None) == targets.load(stored, DataHparams(), None)).all()


def test_of_fifteen_in_a_hundred_eight_tenths_are_masked_and_one_tenth_replaced(codecs):
    read = codecs[0]
    whole_L = np.frombuffer(read.store((" ".join(["the red dog"] * 300), "the old cat")), "<i4")
    seen_L = read.load(whole_L.tobytes(), DataHparams(), generator("hide"))
    places_N, replacement_N = read.choose_masked(whole_L, generator("hide"))
    assert len(places_N) == round(0.15 * len(whole_L))
    assert (whole_L[places_N] < read.vocabulary.size).all()
    kinds = [np.mean(replacement_N == read.mask), np.mean(replacement_N == whole_L[places_N])]
    np.testing.assert_allclose(kinds, [0.8, 0.1], atol=0.09)
    others_N = replacement_N[(replacement_N != read.mask)]
    assert ((others_N > 2) & (others_N < read.vocabulary.size)).all()
    assert (seen_L[places_N] == replacement_N).all()


def test_the_answer_is_shown_of_a_class_and_of_targets(codecs):
    targets = codecs[1]
    assert [targets.show(np.array(c)) for c in (0, 1)] == ["other", "next"]
    stored = targets.store(PAIR)
    assert targets.show(targets.symbols(stored)) == "next" and targets.value(stored) == PAIR
    assert targets.show(targets.symbols(targets.store(PAIR._replace(follows=False)))) == "other"


def test_targets_of_a_batch_have_a_place_for_as_many_as_are_hidden(codecs):
    targets = codecs[1]
    stored = targets.store(PAIR)
    length = targets.length(stored)
    batch = targets.batch([targets.load(stored, DataHparams(), None)], 2, length)
    assert batch["ids"].shape == (2, 1 + masked_count(length)) and batch["lengths"].tolist() == [
        1 + masked_count(length),
        0,
    ]


@pytest.mark.parametrize(("length", "count"), [(1, 1), (5, 1), (20, 3), (128, 19), (512, 77)])
def test_the_number_of_masked_words_is_fifteen_percent_and_at_least_one(length, count):
    assert masked_count(length) == count
