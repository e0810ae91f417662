"""Synthetic examples: the same on every machine, and never shared by the splits."""

import zlib

import pytest

from t2t_mm.data.sources.synthetic import SyntheticSource
from t2t_mm.problem import DEV, TRAIN


class Numbers(SyntheticSource):
    name = "numbers"
    train = 200
    dev = 20

    def key(self, values):
        return values["inputs"]

    def make(self, rng):
        number = int(rng.integers(100))
        return {"inputs": str(number), "targets": str(number + 1)}


class OtherNumbers(Numbers):
    name = "other numbers"


def inputs(source, split, tmp_path):
    return [e.values["inputs"] for e in source.examples(split, tmp_path)]


def test_an_example_is_a_function_of_name_split_and_index(tmp_path):
    examples = list(Numbers().examples(TRAIN, tmp_path))
    assert [e.id for e in examples[:2]] == ["train/0", "train/1"]
    assert len(examples) == 200
    assert dict(Numbers().example(TRAIN, 17)) == dict(examples[17].values)
    assert inputs(OtherNumbers(), TRAIN, tmp_path) != inputs(Numbers(), TRAIN, tmp_path)
    assert inputs(Numbers(), TRAIN, tmp_path)[:5] == ["28", "67", "83", "10", "42"]  # on every machine


def test_the_first_examples_need_not_be_made_to_come_to_the_others(tmp_path):
    assert Numbers().count(TRAIN, tmp_path) == 200 and Numbers().count(DEV, tmp_path) == 20
    made = []
    source = Numbers()
    source.make = lambda rng: made.append(1) or Numbers.make(source, rng)
    assert [e.id for e in source.examples_from(DEV, tmp_path, 18)] == ["dev/18", "dev/19"]
    assert len(made) < 100  # and not the 18 before them, of which each takes about ten


def test_a_key_is_in_one_split_only(tmp_path):
    train, dev = (set(inputs(Numbers(), split, tmp_path)) for split in (TRAIN, DEV))
    assert not train & dev
    assert all(zlib.crc32(key.encode()) % 10 == 0 for key in dev)


def test_a_synthetic_corpus_needs_no_files(tmp_path):
    assert Numbers().present(tmp_path / "nowhere")
    assert Numbers().splits(tmp_path / "nowhere") == (TRAIN, DEV)


def test_without_a_key_any_example_goes_to_any_split(tmp_path):
    class Free(Numbers):
        def key(self, values):
            return None

    assert set(inputs(Free(), TRAIN, tmp_path)) & set(inputs(Free(), DEV, tmp_path))


@pytest.mark.parametrize("split", [TRAIN, DEV])
def test_a_second_reading_yields_equal_examples(tmp_path, split):
    assert inputs(Numbers(), split, tmp_path) == inputs(Numbers(), split, tmp_path)
