"""Running text, character by character."""

import numpy as np
import pytest

from t2t_mm.data.features.characters import Characters
from t2t_mm.errors import UserError
from t2t_mm.hparam_set import DataHparams

FEATURE = Characters("tales")


@pytest.fixture
def codec(tmp_path):
    lines = []
    samples = {"tale": [FEATURE.sample("once \n"), FEATURE.sample("a\x0b cat")], "other": [FEATURE.sample("é")]}
    FEATURE.prepare(tmp_path, [FEATURE], samples, 0, lines.append)
    assert lines == ["characters.tales.json: 10 characters of tale, other."]
    return FEATURE.open(tmp_path)


def test_every_character_of_the_samples_has_an_id_behind_the_reserved_ones(codec):
    assert codec.port.modality == "text" and codec.port.key == "characters_tales"
    assert codec.port.size == 3 + 10
    assert codec.alphabet.characters == sorted("once \na\x0bté")


def test_a_passage_comes_back_exactly_and_has_no_end_symbol(codec):
    stored = codec.store("a cat\nonce")
    assert codec.value(stored) == "a cat\nonce"
    assert codec.length(stored) == 10 and codec.measured(10) == "10 characters"
    np.testing.assert_array_equal(codec.load(stored, DataHparams(), None), codec.symbols(stored))
    assert codec.symbols(stored).min() >= 3


def test_unknown_characters_and_line_feeds_are_shown_on_one_line(codec):
    stored = codec.store("a b\n")
    assert codec.show(codec.symbols(stored)) == "a \ufffd\u23ce"
    assert codec.show(np.array([*codec.symbols(stored)[:1], 0, 1, 5])) == "a"  # up to an end


def test_a_beginning_may_be_empty_but_has_known_characters_only(codec):
    assert codec.store_beginning("a cat\n") == codec.store("a cat\n")
    assert codec.store_beginning("") == b"" and codec.load(b"", DataHparams(), None).size == 0
    message = "Its character 3, 'B', is not one of the 10 that the model was trained on. Leave it out."
    with pytest.raises(UserError, match=message):
        codec.store_beginning("a Bat Bat")
    with pytest.raises(UserError, match="received 7"):
        codec.store_beginning(7)


def test_the_symbol_shown_for_a_line_feed_is_read_as_a_line_feed(codec, tmp_path):
    shown = codec.show(codec.symbols(codec.store("a\ncat")))
    assert codec.parse(shown, tmp_path) == "a\ncat"


def test_an_empty_passage_is_refused(codec):
    with pytest.raises(UserError, match="at least one character"):
        codec.store("")


def test_a_missing_or_broken_list_is_told_by_its_path(tmp_path):
    with pytest.raises(UserError, match="No list of characters at .*characters.tales.json"):
        FEATURE.open(tmp_path)
    (tmp_path / "characters.tales.json").write_text("no list")
    with pytest.raises(UserError, match="is not a list of characters"):
        FEATURE.open(tmp_path)
