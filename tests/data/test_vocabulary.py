"""Text to ids and back."""

import numpy as np
import pytest

from t2t_mm.data.vocabulary import EOS, PAD, UNK, Vocabulary
from t2t_mm.errors import UserError

LINES = [f"the {colour} dog sees {number} cats" for colour in ("red", "old", "small") for number in range(40)]


@pytest.fixture
def vocabulary(tmp_path):
    return Vocabulary.train(tmp_path / "vocab.model", LINES, symbols=["<(NP>", "<)NP>"])


@pytest.mark.parametrize(
    "line",
    [
        "the red dog sees 7 cats",
        "",
        " ",
        "  two blanks,  kept  ",
        "tab\tand\u00a0hard\u3000blank",
        "caf\u00e9 is not cafe\u0301, and \ufb01 is one letter",
        "never seen: \u4e2d\u6587 \U0001f600 \u200b\ufeff",
        "\u2581 the mark for a blank, x\u2581y and \u2581",
        "<unk> <pad> </s> <s> <0x41> \u2047",
        "<(NP>the dog<)NP>",
        "control \x00 \x01 \r",
    ],
)
def test_every_line_comes_back_exactly(vocabulary, line):
    assert vocabulary.decode(vocabulary.encode(line)) == line


def test_lines_of_random_characters_come_back_exactly(vocabulary):
    random = np.random.default_rng(1)
    for _ in range(300):
        codes = random.integers(0, 0xD800, size=12) * (random.random(12) < 0.5) + 32
        line = "".join(map(chr, codes))
        assert vocabulary.decode(vocabulary.encode(line)) == line


def test_pad_end_and_unknown_have_ids_0_1_2_and_are_never_written_for_text(vocabulary):
    assert (PAD, EOS, UNK) == (0, 1, 2)
    ids = vocabulary.encode("<pad> </s> <unk> \u4e2d\u2581")
    assert min(ids) > 2
    assert vocabulary.decode([PAD, *vocabulary.encode("the dog"), EOS]) == "the dog"


def test_a_symbol_is_one_piece_wherever_it_stands(vocabulary):
    assert vocabulary.is_one_piece("<(NP>") and not vocabulary.is_one_piece("<(VP>")
    one, two = vocabulary.encode("<(NP>"), vocabulary.encode("<(NP><)NP>")
    assert len(two) == len(one) + 1


def test_characters_never_seen_are_spelt_in_bytes_and_counted(vocabulary):
    ids = vocabulary.encode("\u4e2d")  # three bytes of UTF-8
    assert vocabulary.bytes_and_unknown(ids) == (3, 0)
    assert vocabulary.bytes_and_unknown(vocabulary.encode("the dog")) == (0, 0)
    assert vocabulary.bytes_and_unknown([UNK, UNK]) == (0, 2)


def test_short_text_gives_fewer_pieces_than_asked_for(vocabulary):
    assert 259 < vocabulary.size < 1000


def test_equal_text_gives_an_equal_file_that_names_no_path(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    first = Vocabulary.train(tmp_path / "a.model", LINES)
    second = Vocabulary.train(tmp_path / "elsewhere" / "b.model", LINES)
    content = (tmp_path / "a.model").read_bytes()
    assert content == (tmp_path / "elsewhere" / "b.model").read_bytes()
    assert first.fingerprint == second.fingerprint
    assert str(tmp_path).encode() not in content


def test_a_loaded_vocabulary_equals_the_trained_one(vocabulary, tmp_path):
    loaded = Vocabulary.load(tmp_path / "vocab.model")
    assert loaded.fingerprint == vocabulary.fingerprint and loaded.size == vocabulary.size
    assert loaded.encode("the old dog") == vocabulary.encode("the old dog")


def test_too_few_pieces_are_refused_and_leave_no_file(tmp_path):
    with pytest.raises(UserError, match="200 pieces may be too few"):
        Vocabulary.train(tmp_path / "v.model", LINES, size=200)
    assert not list(tmp_path.glob("*v.model*"))


def test_no_text_is_refused(tmp_path):
    with pytest.raises(UserError, match="no text"):
        Vocabulary.train(tmp_path / "v.model", ["", "  "])


def test_a_missing_vocabulary_and_one_that_is_none_are_named(tmp_path):
    (tmp_path / "v.model").write_text("not a model")
    with pytest.raises(UserError, match=r"No vocabulary at .*w\.model"):
        Vocabulary.load(tmp_path / "w.model")
    with pytest.raises(UserError, match=r"v\.model is not a SentencePiece model"):
        Vocabulary.load(tmp_path / "v.model")


def test_many_texts_are_encoded_as_each_is_alone_marks_and_blanks_too(tmp_path):
    vocabulary = Vocabulary.train(tmp_path / "v.model", ["the dog sees a cat", "a cat sleeps"], 300)
    texts = ["the dog", "", "  a  cat ", "a\u2581cat\u2581", "\u2581", "\u4e2d", "the dog sees a cat"]
    encoded = vocabulary.encode_all(texts)
    assert [ids_L.tolist() for ids_L in encoded] == [[*vocabulary.encode(text), EOS] for text in texts]
    assert {ids_L.dtype for ids_L in encoded} == {np.dtype(np.int32)}
    assert vocabulary.encode_all([]) == []


def test_a_file_is_opened_once_and_anew_when_it_is_another(tmp_path):
    first = Vocabulary.train(tmp_path / "v.model", ["the dog sees a cat"], 300)
    opened = Vocabulary.load(tmp_path / "v.model")
    assert Vocabulary.load(tmp_path / "v.model") is opened and opened.fingerprint == first.fingerprint
    Vocabulary.train(tmp_path / "v.model", ["eins zwei drei"], 300)
    assert Vocabulary.load(tmp_path / "v.model").fingerprint != first.fingerprint
