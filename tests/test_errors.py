import pytest

from t2t_mm.errors import NameTaken, UnknownName, UserError, did_you_mean


def test_the_message_of_an_unknown_name_has_the_nearest_and_all_known_names_and_the_remedy():
    error = UnknownName("problem", "translate_end", ["parsing", "translate_ende"], "Install it.")
    assert str(error) == (
        "No problem is named 'translate_end'. Did you mean 'translate_ende'? "
        "Known: parsing, translate_ende. Install it."
    )


def test_no_name_is_suggested_if_none_is_near():
    assert did_you_mean("zebra", ["parsing", "translate_ende"]) == ""
    assert str(UnknownName("problem", "zebra", [])) == "No problem is named 'zebra'. Known: none."


def test_a_taken_name_names_both_owners():
    text = str(NameTaken("problem", "copy", "one:Copy", "two:Copy"))
    assert "one:Copy" in text and "two:Copy" in text and "register(..., name=...)" in text


@pytest.mark.parametrize("kind", [UnknownName("flag", "x", ()), NameTaken("flag", "x", "a", "b")])
def test_every_mistake_of_the_user_is_a_user_error(kind):
    assert isinstance(kind, UserError)
