"""One file of records, its index, and the note of what it holds."""

import os

import numpy as np
import pytest

from t2t_mm.data.input.shards import ShardSummary, ShardWriter, lengths_path, shard_range
from t2t_mm.fingerprint import fingerprint


def write(path, examples=5):
    writer = ShardWriter(path, ("inputs", "targets"), 4)
    for i in range(examples):
        writer.add(
            str(i), {"inputs": b"p", "targets": bytes([i])}, {"inputs": 1, "targets": i}, np.array([3, i % 2, 3])
        )
    writer.drop("empty")
    writer.drop("empty")
    return writer.close()


def test_a_shard_says_what_it_holds(tmp_path):
    written = write(tmp_path / "a.array_record")
    assert (written.examples, written.tokens, written.dropped) == (5, (5, 10), {"empty": 2})
    assert written.symbols_V.tolist() == [3, 2, 0, 10]
    assert written.sha256 == fingerprint(tmp_path / "a.array_record")
    assert sorted(os.listdir(tmp_path)) == ["a.array_record", "a.array_record.lengths.npy"]


@pytest.mark.parametrize("examples", [0, 5, 12_345])
def test_the_index_is_as_numpy_saves_it(tmp_path, examples):
    write(tmp_path / "a.array_record", examples=0)
    writer = ShardWriter(tmp_path / "b.array_record", ("targets",), 0)
    for i in range(examples):
        writer.add("", {}, {"targets": i}, np.zeros(0, np.int64))
    writer.close()
    np.save(tmp_path / "saved.npy", np.arange(examples, dtype="<i4")[:, None])
    assert lengths_path(tmp_path / "b.array_record").read_bytes() == (tmp_path / "saved.npy").read_bytes()


def test_equal_records_give_equal_files(tmp_path):
    assert write(tmp_path / "a").sha256 == write(tmp_path / "b").sha256 != write(tmp_path / "c", 6).sha256


def test_a_shard_that_is_not_finished_is_not_there_under_its_name(tmp_path):
    writer = ShardWriter(tmp_path / "a.array_record", ("targets",), 0)
    writer.add("0", {"targets": b"x"}, {"targets": 1}, np.zeros(0, np.int64))
    assert not (tmp_path / "a.array_record").exists() and not lengths_path(tmp_path / "a.array_record").exists()
    writer.abandon()
    assert not (tmp_path / "a.array_record").exists()


def test_a_note_comes_back_and_half_a_note_is_none(tmp_path):
    written = write(tmp_path / "a.array_record")
    written.write_note(tmp_path / "a.done")
    back = ShardSummary.read_note(tmp_path / "a.done")
    assert vars(back) | {"symbols_V": 0} == vars(written) | {"symbols_V": 0}
    assert back.symbols_V.tolist() == written.symbols_V.tolist()
    complete = (tmp_path / "a.done").read_bytes()
    for content in (complete[:-3], b"", b"\x81\xa1a\x01"):
        (tmp_path / "a.done").write_bytes(content)
        assert ShardSummary.read_note(tmp_path / "a.done") is None
    assert ShardSummary.read_note(tmp_path / "nothing") is None


@pytest.mark.parametrize(("examples", "of"), [(10, 4), (3, 4), (0, 2), (128, 128)])
def test_shards_take_every_place_once_and_as_many_each_as_can_be(examples, of):
    ranges = [shard_range(shard, of, examples) for shard in range(of)]
    assert [place for places in ranges for place in places] == list(range(examples))
    assert max(map(len, ranges)) - min(map(len, ranges)) <= 1


def test_symbols_and_lengths_of_many_examples_are_added_up(tmp_path):
    writer = ShardWriter(tmp_path / "a.array_record", ("targets",), 3)
    for i in range(600):  # symbols 0, 1, 2, 0, 1, 2, ... and 2 in every one
        writer.add(str(i), {"targets": b"x"}, {"targets": 2}, np.array([i % 3, 2], np.int32))
    written = writer.close()
    assert written.tokens == (1200,) and written.symbols_V.tolist() == [200, 200, 800]
    assert written.symbols_V.dtype == np.int64
