"""Spans of a text as answers: positions worked out by hand, exact words, the best pair of positions."""

import numpy as np
import pytest

from t2t_mm.data.features.sentences import SentencesCodec
from t2t_mm.data.features.span import LONGEST, Marked, Placed, SpanCodec
from t2t_mm.data.vocabulary import Vocabulary
from t2t_mm.errors import UserError
from t2t_mm.hparam_set import DataHparams

QUESTION, TEXT = "where does ada live?", "ada lives in upper brin. gus lives in Łódź €5."


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory):
    lines = ["ada lives in upper brin.", "gus lives in brin.", "where does ada live?", "where does gus live?"] * 9
    return Vocabulary.train(tmp_path_factory.mktemp("vocabulary") / "vocab.model", lines, 400)


@pytest.fixture
def codec(vocabulary):
    return SpanCodec(vocabulary)


def marked(*answers):
    return Marked(QUESTION, TEXT, tuple((words, TEXT.index(words)) for words in answers))


def test_characters_of_ids_cover_the_text_in_order(vocabulary):
    for text in (TEXT, " two  blanks", "\u2581 mark", "€"):
        actual = vocabulary.characters(text)
        assert len(actual) == len(vocabulary.encode(text))
        assert actual[0][0] == 0 and actual[-1][1] == len(text)
        assert all(after[0] <= before[1] for before, after in zip(actual, actual[1:], strict=False))
        for (begin, end), id in zip(actual, vocabulary.encode(text), strict=True):
            if id not in vocabulary._byte_ids and begin:
                assert vocabulary._pieces.id_to_piece(id).replace("\u2581", " ") == text[begin:end]


@pytest.mark.parametrize("words", ["upper brin", "ada", "Łódź", "€5.", "upper brin."])
def test_the_ids_between_the_places_spell_the_answer(codec, words):
    first, last = codec.load(codec.store(marked(words)), DataHparams(), None)
    ids = np.frombuffer(SentencesCodec("subwords", codec.vocabulary).store((QUESTION, TEXT)), "<i4")
    assert words in codec.vocabulary.decode(ids[first : last + 1])
    assert codec.show(np.array([first, last]), (QUESTION, TEXT)).startswith(words[:4])
    assert codec.answer(codec.store(marked(words))) == words


def test_several_answers_stay_together_and_come_apart_for_evaluation(codec):
    stored = codec.store(marked("upper brin", "brin"))
    one, other = codec.references(stored)
    assert codec.answer(one) == "upper brin" and codec.answer(other) == "brin"
    value = codec.value(stored)
    assert isinstance(value, Placed) and codec.store(value) == stored
    drawn = {tuple(codec.load(stored, DataHparams(), np.random.default_rng(seed))) for seed in range(9)}
    assert drawn == {one[:2] for one in value.answers}
    assert not codec.symbols(stored).size  # a place is no symbol, and has no unigrams


def test_a_batch_has_two_places_a_row_and_none_in_an_empty_one(codec):
    arrays = codec.batch([np.array([4, 6])], 2, 1)
    assert arrays["places"].tolist() == [[4, 6], [-1, -1]] and arrays["places"].dtype == np.int32


def probabilities(codec, starts, ends):
    """Halves, as the net gives them, for places by number of the text's id."""
    begins, count = codec.text_start(QUESTION), len(codec.vocabulary.encode(TEXT))
    halves_2L = np.full((2, begins + count + 5), 1e-6)
    for half_L, chosen in zip(halves_2L, (starts, ends), strict=True):
        for place, probability in chosen.items():
            half_L[begins + place] = probability / 2
    return halves_2L.reshape(-1)


def test_the_best_answer_ends_where_it_begins_or_behind(codec):
    pieces = codec.vocabulary.characters(TEXT)
    actual = codec.likeliest(probabilities(codec, {5: 0.6, 2: 0.4}, {3: 0.9, 6: 0.1}), (QUESTION, TEXT))
    # 5 to 3 would be 0.54, but it ends before it begins; 2 to 3 is 0.36, 5 to 6 is 0.06, 2 to 6 0.04
    assert actual[0] == (TEXT[pieces[2][0] : pieces[3][1]].strip(), pytest.approx(0.36))
    assert [round(probability, 2) for _, probability in actual[:3]] == [0.36, 0.06, 0.04]


def test_the_question_is_no_answer_and_nothing_is_longer_than_the_longest(codec):
    text = "ada lives " * 40
    begins, count = codec.text_start(QUESTION), len(codec.vocabulary.encode(text))
    assert count > LONGEST + 2
    halves_2L = np.full((2, begins + count), 1e-9)
    halves_2L[0, [1, begins]] = 0.4, 0.1
    halves_2L[1, [2, begins + LONGEST, begins + LONGEST - 1]] = 0.3, 0.15, 0.05
    best, probability = codec.likeliest(halves_2L.reshape(-1), (QUESTION, text))[0]
    assert probability == pytest.approx(0.2 * 0.1) and text.startswith(best)


def half_windows(question_length, stride):
    """Windows with as many ids of the text as the question has."""
    return DataHparams(max_length=3 + 2 * question_length, window_stride=stride)


def test_the_best_answer_of_all_windows_is_that_which_a_window_is_surest_of(codec):
    text = "ada lives in upper brin. gus lives in brin. " * 3
    question_length, pieces = codec.text_start(QUESTION) - 2, codec.vocabulary.characters(text)
    sure = [{} for _ in range(-(-(len(pieces) - question_length) // 4) + 1)]
    sure[0] = {3: 0.9}  # of the text the id 3: 0.81
    sure[1] = {1: 0.95, 3: 0.5}  # its ids 5, 0.9025, and 7, 0.25
    sure[2] = {1: 0.2}  # its id 9: 0.04
    by_window = []
    for chosen in sure:
        halves_2L = np.full((2, 3 + 2 * question_length), 1e-9)
        for place, probability in chosen.items():
            halves_2L[:, question_length + 2 + place] = probability / 2
        by_window.append(halves_2L.reshape(-1))
    (best, most), (second, less), *_ = codec.joined(by_window, (QUESTION, text), half_windows(question_length, 4))
    assert (most, less) == pytest.approx((0.9025, 0.81))
    assert [best, second] == [text[slice(*pieces[place])].strip() for place in (5, 3)]


def test_an_answer_is_right_in_the_windows_that_hold_it_whole_and_cls_in_the_others(codec):
    stored = codec.store(marked("upper brin"))
    ((first, last, words),), question_length, count = codec.value(stored)
    begin, end = first - question_length - 2, last - question_length - 2
    actual = [codec.value(window) for window in codec.windows(stored, half_windows(question_length, 1))]
    assert len(actual) == count - question_length + 1
    holding = range(max(0, end - question_length + 1), min(begin, count - question_length) + 1)
    assert 0 < len(holding) < len(actual)
    for place, window in enumerate(actual):
        here = (question_length + 2 + begin - place, question_length + 2 + end - place, words)
        assert window == Placed((here if place in holding else (0, 0, ""),), question_length, question_length)


@pytest.mark.parametrize("value", [Marked(QUESTION, TEXT, (("brin", 3),)), Marked(QUESTION, TEXT, ())])
def test_an_answer_that_is_not_there_is_refused(codec, value):
    with pytest.raises(UserError, match="at character 3 of its text, found . liv.|at least one answer"):
        codec.store(value)
