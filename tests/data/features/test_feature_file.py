"""Files of features that are missing or damaged."""

import json

import pytest

from t2t_mm.data.features.characters import Characters
from t2t_mm.data.features.feature_file import read_feature_file, split_lines
from t2t_mm.data.features.label import Label
from t2t_mm.data.features.passage import Passage
from t2t_mm.data.features.text import Text
from t2t_mm.data.features.vector import Vector
from t2t_mm.errors import UserError

PETS = Vector("pets", ("weight", "kind"), categories=("kind",))


def table(weight, kind):
    return json.dumps({"columns": [{"name": "weight", **weight}, {"name": "kind", **kind}]})


WEIGHT, KIND = {"mean": 2.0, "deviation": 1.0}, {"values": ["cat", "dog"]}


def test_what_the_text_says_is_given(tmp_path):
    (tmp_path / "list.txt").write_text("one\ntwo \n\nfour\n")
    assert read_feature_file(tmp_path / "list.txt", "list of words", split_lines) == ["one", "two ", "", "four"]


@pytest.mark.parametrize("feature", [Label("pets"), Passage("pets", 5), Characters("pets"), PETS, Text("pets")])
def test_a_missing_file_is_named_with_what_makes_it_and_a_folder_is_no_file(feature, tmp_path):
    [file] = feature.files()
    with pytest.raises(UserError, match=f"No .* at {tmp_path / file}; t2t-mm-datagen makes it.$"):
        feature.open(tmp_path)
    (tmp_path / file).mkdir()
    with pytest.raises(UserError, match=f"{tmp_path / file} can't be read: Is a directory.$"):
        feature.open(tmp_path)


@pytest.mark.parametrize(
    ("feature", "content"),
    [
        (Label("pets"), b""),
        (Label("pets"), b"cat\ndo"),
        (Label("pets"), b"\xff\xfe\n"),
        (Passage("pets", 5), b""),
        (Passage("pets", 5), b"the\ncat"),
        (Characters("pets"), b'["a", "b"'),
        (Characters("pets"), b'{"a": 1}'),
        (Characters("pets"), b'["a", "bc"]'),
        (Text("pets"), b""),
        (Text("pets"), b"not a model"),
        (PETS, b""),
        (PETS, b"[1, 2]"),
        (PETS, b'{"columns": 3}'),
        (PETS, b'{"columns": []}'),
        (PETS, table(KIND, WEIGHT).encode()),
        (PETS, table({"mean": "2", "deviation": 1.0}, KIND).encode()),
        (PETS, table({"mean": 2.0, "deviation": 0.0}, KIND).encode()),
        (PETS, table(WEIGHT, {"values": "cat"}).encode()),
    ],
)
def test_a_damaged_file_is_named_with_what_to_do(feature, content, tmp_path):
    [file] = feature.files()
    (tmp_path / file).write_bytes(content)
    with pytest.raises(UserError, match=f"{tmp_path / file} is not a .*. Remove it and generate the data again.$"):
        feature.open(tmp_path)


def test_a_table_of_columns_that_fits_is_taken(tmp_path):
    (tmp_path / PETS.files()[0]).write_text(table(WEIGHT, KIND))
    assert PETS.open(tmp_path).port.size == 3
