"""Lines of text in images: accents, spellings and letters that no font has."""

import numpy as np
import pytest

from t2t_mm.train.summaries import lettering
from t2t_mm.train.summaries.lettering import HEADROOM, lettered, line_height


def ink(text):
    return np.asarray(lettered(text)) > 100


@pytest.fixture
def no_other_font(monkeypatch):
    monkeypatch.setattr(lettering, "_elsewhere", lambda: None)


@pytest.mark.parametrize(("text", "plain"), [("ä", "a"), ("Ü", "U"), ("é", "e"), ("ñ", "n"), ("Ž", "Z"), ("Å", "A")])
def test_a_letter_with_a_mark_is_the_letter_with_ink_above_it(text, plain):
    marked, bare = ink(text), ink(plain)
    top = int(bare.any(axis=1).argmax())
    assert marked.shape == bare.shape
    np.testing.assert_array_equal(marked[top:], bare[top:])
    assert marked[:top].any() and not bare[:top].any()


def test_a_cedilla_hangs_below():
    marked, bare = ink("ç"), ink("c")
    bottom = len(bare) - int(bare[::-1].any(axis=1).argmax())
    assert marked[bottom:].any()
    np.testing.assert_array_equal(marked[: bottom - 1], bare[: bottom - 1])


@pytest.mark.parametrize(("text", "spelt"), [("Straße", "Strasse"), ("„ja“", '"ja“'), ("\u2581the", "_the")])
def test_some_letters_are_spelt_out(text, spelt):
    np.testing.assert_array_equal(ink(text), ink(spelt))


def test_a_mark_stands_over_its_own_letter():
    width = lettered("iiii").width
    marked, bare = ink("iiïi"), ink("iiii")
    columns = np.flatnonzero(marked[: HEADROOM + 12].sum(axis=0) > bare[: HEADROOM + 12].sum(axis=0))
    assert width / 2 <= columns.min() and columns.max() < 3 / 4 * width + 1


def test_a_letter_that_no_font_has_is_drawn_as_a_full_stop(no_other_font):
    np.testing.assert_array_equal(ink("a语b"), ink("a.b"))


def test_every_line_is_as_high(no_other_font):
    assert {lettered(text).height for text in ("", "a", "Äg", "Žšç", "语")} == {line_height()}
    assert lettered("").width == 1
