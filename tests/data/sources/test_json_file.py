"""JSON files of a corpus."""

import pytest

from t2t_mm.data.sources.json_file import read_json, refuse_half_characters
from t2t_mm.errors import UserError


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": [1', "is not a complete JSON file"),
        (b'{"a": "\xff"}', "is not a complete JSON file"),
        (b'{"a":' * 100_000, "nests lists or objects too deeply to be read; download it again."),
    ],
)
def test_what_is_no_json_is_refused_by_name(tmp_path, content, message):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(UserError, match=message) as refusal:
        read_json(tmp_path / "a.json")
    assert str(refusal.value).startswith(str(tmp_path / "a.json"))


def test_a_character_in_two_halves_is_whole_and_one_half_is_refused(tmp_path):
    (tmp_path / "a.json").write_bytes(rb'["a \ud83d\ude00", "a \ud83d"]')
    complete, half = read_json(tmp_path / "a.json")
    assert complete == "a \N{GRINNING FACE}"
    refuse_half_characters(complete, "a.json")
    with pytest.raises(UserError, match=r"^a.json: 2 holds \\ud83d, half of a character, at place 3\."):
        refuse_half_characters(half, "a.json: 2")
