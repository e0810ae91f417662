"""Rows of a table as vectors, by statistics that are kept in a file."""

import json

import numpy as np
import pytest

from t2t_mm.data.features.vector import Vector
from t2t_mm.errors import UserError
from t2t_mm.feature import Port
from t2t_mm.hparam_set import DataHparams

FEATURE = Vector("pets", ("weight", "kind", "legs"), categories=("kind",))
ROWS = [["1", "dog", "4"], ["3", "cat", "4"], ["?", "?", "4"]]


@pytest.fixture
def codec(tmp_path):
    samples = {"pets": [FEATURE.sample(row) for row in ROWS]}
    FEATURE.prepare(tmp_path, [FEATURE], samples, 0, lambda line: None)
    return FEATURE.open(tmp_path)


def loaded(codec, row):
    return codec.load(codec.store(row), DataHparams(), None).tolist()


def test_the_file_holds_means_and_deviations_of_known_numbers_and_the_names_in_order(codec, tmp_path):
    assert json.loads((tmp_path / "vector.pets.json").read_text())["columns"] == [
        {"name": "weight", "mean": 2.0, "deviation": 1.0},
        {"name": "kind", "values": ["cat", "dog"]},
        {"name": "legs", "mean": 4.0, "deviation": 1.0},  # never varies
    ]
    assert codec.port == Port("vector", "vector_pets", 4)


def test_a_number_is_standardised_and_a_name_is_a_1_among_zeros(codec):
    assert loaded(codec, ["3", "dog", "4"]) == [1, 0, 1, 0]
    assert loaded(codec, [0.5, "cat", 6]) == [-1.5, 1, 0, 2]


def test_what_is_missing_is_the_mean_and_a_name_never_met_is_zeros(codec):
    assert loaded(codec, ["?", "?", "?"]) == [0, 0, 0, 0]
    assert loaded(codec, ["2", "horse", "4"]) == [0, 0, 0, 0]


def test_statistics_that_are_there_are_left_as_they_are(codec, tmp_path):
    before = (tmp_path / "vector.pets.json").read_bytes()
    FEATURE.prepare(tmp_path, [FEATURE], {"pets": ["9,cat,9"]}, 0, lambda line: None)
    assert (tmp_path / "vector.pets.json").read_bytes() == before


def test_a_row_comes_back_and_is_shown_by_name(codec, tmp_path):
    stored = codec.store(["3", "dog", "?"])
    assert codec.value(stored) == ["3", "dog", "?"] == codec.parse("3,dog,?\n", tmp_path)
    assert codec.show(codec.load(stored, DataHparams(), None)) == "weight=3, kind=dog, legs=4"
    assert codec.show(np.array([0, 0, 0, 0])) == "weight=2, kind=?, legs=4"
    assert codec.show(np.array([-2.0000001, 0, 0, 0])) == "weight=0, kind=?, legs=4"


def test_rows_behind_the_last_are_empty(codec):
    values = [codec.load(codec.store(["3", "dog", "4"]), DataHparams(), None)]
    (name, values_BF), *rest = codec.batch(values, 3, 1).items()
    assert name == "values" and not rest and values_BF.dtype == np.float32
    assert values_BF.tolist() == [[1, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert codec.spec(DataHparams())["values"].shape == (None, 4)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (["1", "dog"], "A row must have 3 fields: weight, kind, legs. Received: ['1', 'dog']"),
        ("1,dog,4", "A row must have 3 fields"),
        (["heavy", "dog", "4"], "weight must be a number, or ? if it is not known. Received: 'heavy'"),
        (["nan", "dog", "4"], "weight must be a number"),
        (["1", "do,g", "4"], "kind must be a name without commas, or ?. Received: 'do,g'"),
        (["1", " ", "4"], "kind must be a name without commas, or ?. Received: ''"),
    ],
)
def test_a_row_that_cannot_be_carried_is_refused(codec, row, message):
    with pytest.raises(UserError) as refused:
        codec.store(row)
    assert message in str(refused.value)


def test_a_missing_table_of_columns_is_said(tmp_path):
    with pytest.raises(UserError, match=r"No table of columns at .*vector\.pets\.json; t2t-mm-datagen makes it"):
        FEATURE.open(tmp_path)
