"""Sentences as they are read, and what is hidden of them."""

import numpy as np
import pytest

from t2t_mm.data.features.masked_sentences import MaskedSentences, MaskedWords, Pair, most_hidden
from t2t_mm.data.features.sentences import Sentences
from t2t_mm.data.keyed_rng import generator
from t2t_mm.data.vocabulary import Vocabulary
from t2t_mm.errors import UserError
from t2t_mm.hparam_set import DataHparams

LINES = [f"the {a} {b} near the {c}" for a in ("red", "old") for b in ("dog", "cat", "bird") for c in ("house", "tree")]
PAIR = Pair("the red dog near the tree", "the old cat", follows=True)


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
def test_what_was_stored_comes_back(folder, value):
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
    read, asked = codecs

    def random():
        return None if key is None else generator(0, "train/1", read.draws, key)

    whole_L = np.frombuffer(read.store(PAIR), "<i4")
    seen_L = read.load(read.store(PAIR), DataHparams(), random())
    ids_T, places_T = asked.load(asked.store(PAIR), DataHparams(), random())
    assert read.draws == asked.draws
    assert ids_T[0] == asked.next and places_T[0] == 0
    assert whole_L[places_T[1:]].tolist() == ids_T[1:].tolist()
    assert len(ids_T) == 1 + most_hidden(len(whole_L))
    assert set(np.flatnonzero(seen_L != whole_L)) <= set(places_T[1:].tolist())


def test_each_epoch_hides_others_and_evaluation_always_the_same(codecs):
    asked = codecs[1]
    stored = asked.store(PAIR)
    places = {
        tuple(asked.load(stored, DataHparams(), generator(0, "train/1", "masked", epoch))[1]) for epoch in range(20)
    }
    assert len(places) > 5
    assert (asked.load(stored, DataHparams(), None) == asked.load(stored, DataHparams(), None)).all()


def test_of_fifteen_in_a_hundred_eight_tenths_are_masked_and_one_tenth_replaced(codecs):
    read = codecs[0]
    whole_L = np.frombuffer(read.store((" ".join(["the red dog"] * 300), "the old cat")), "<i4")
    seen_L = read.load(whole_L.tobytes(), DataHparams(), generator("hide"))
    places_N, instead_N = read.hidden(whole_L, generator("hide"))
    assert len(places_N) == round(0.15 * len(whole_L))
    assert (whole_L[places_N] < read.vocabulary.size).all()
    kinds = [np.mean(instead_N == read.mask), np.mean(instead_N == whole_L[places_N])]
    np.testing.assert_allclose(kinds, [0.8, 0.1], atol=0.09)
    others_N = instead_N[(instead_N != read.mask)]
    assert ((others_N > 2) & (others_N < read.vocabulary.size)).all()
    assert (seen_L[places_N] == instead_N).all()


def test_the_answer_is_shown_of_a_class_and_of_targets(codecs):
    asked = codecs[1]
    assert [asked.show(np.array(c)) for c in (0, 1)] == ["other", "next"]
    stored = asked.store(PAIR)
    assert asked.show(asked.symbols(stored)) == "next" and asked.value(stored) == PAIR
    assert asked.show(asked.symbols(asked.store(PAIR._replace(follows=False)))) == "other"


def test_targets_of_a_batch_have_a_place_for_as_many_as_are_hidden(codecs):
    asked = codecs[1]
    stored = asked.store(PAIR)
    length = asked.length(stored)
    batch = asked.batch([asked.load(stored, DataHparams(), None)], 2, length)
    assert batch["ids"].shape == (2, 1 + most_hidden(length)) and batch["lengths"].tolist() == [
        1 + most_hidden(length),
        0,
    ]


@pytest.mark.parametrize(("length", "count"), [(1, 1), (5, 1), (20, 3), (128, 19), (512, 77)])
def test_the_number_hidden(length, count):
    assert most_hidden(length) == count
