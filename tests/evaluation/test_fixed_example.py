"""The dev example that represents a problem."""

import dataclasses
import shutil

import numpy as np
import pytest

from t2t_mm.data.features.references import ReferencesCodec
from t2t_mm.data.input.corrupt_records import CorruptRecord
from t2t_mm.evaluation.fixed_example import fixed_example, right_answers, typical_example


@pytest.mark.parametrize(
    ("lengths_NF", "expected"),
    [
        ([[3], [3], [3], [3], [3]], 2),  # all equal: the middle
        ([[1], [9], [8], [3], [2]], 3),  # the median is 3: of examples 0, 3 and 4 it is 3 that is nearest to 2
        ([[1, 9], [9, 1], [5, 5], [5, 6], [1, 1]], 2),  # medians 5 and 5
        ([[1, 8], [1, 9], [8, 1]], 0),  # medians 1 and 8
        ([[0, 4], [0, 4]], 1),
    ],
)
def test_a_typical_example_is_near_the_middle_and_not_longer_than_the_median(lengths_NF, expected):
    assert typical_example(np.array(lengths_NF)) == expected


def test_if_every_example_is_long_in_some_feature_the_least_long_are_typical():
    lengths_NF = np.array([[2, 40], [40, 2], [2, 30], [30, 2]])  # medians 16 and 16
    assert typical_example(lengths_NF) == 2


def test_the_fixed_example_is_the_same_at_every_call_and_is_stored_as_in_its_record(letters):
    example = fixed_example(letters["capitals"])
    assert example == fixed_example(letters["capitals"])
    codecs = letters["capitals"].codecs
    assert (
        codecs["targets"].value(example.stored["targets"]) == codecs["inputs"].value(example.stored["inputs"]).upper()
    )
    assert example.id.startswith("dev/")


def test_another_example_is_taken_if_the_fixed_one_cannot_be_read(letters, tmp_path, flip):
    folder = shutil.copytree(letters["capitals"].folder, tmp_path / "capitals")
    ready = dataclasses.replace(letters["capitals"], folder=folder)
    example = fixed_example(ready)
    flip(folder / ready.manifest.splits["dev"].shards[0].file, int(example.id.removeprefix("dev/")))
    assert fixed_example(ready).id not in (example.id, "")
    for place in range(23):
        if place != int(example.id.removeprefix("dev/")):
            flip(folder / ready.manifest.splits["dev"].shards[0].file, place)
    with pytest.raises(CorruptRecord):
        fixed_example(ready)


def test_every_reference_is_shown_as_text(letters):
    codec = letters["capitals"].codecs["targets"]
    assert right_answers(codec, codec.store("A B")) == ["A B"]
    several = ReferencesCodec("letters", codec.vocabulary)
    assert right_answers(several, several.store(("A B", "C", "D D"))) == ["A B", "C", "D D"]
