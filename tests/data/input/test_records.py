"""Shards, lengths and manifests on disk."""

import dataclasses
import json
import shutil
import threading

import numpy as np
import pytest

from t2t_mm.data.input.corrupt_records import CorruptRecord
from t2t_mm.data.input.records import Manifest, Shard, Split, SplitReader, verify
from t2t_mm.data.input.shards import ShardWriter, lengths_path, shard_name, shard_range
from t2t_mm.errors import UserError

NONE = np.zeros(0, np.int64)


def write(folder, examples, shards=3):
    """Example i holds "i" i times, and an image of length 1."""
    written = []
    for shard in range(shards):
        writer = ShardWriter(folder / shard_name("train", shard, shards), ("inputs", "targets"), 0)
        for i in shard_range(shard, shards, examples):
            stored = {"inputs": b"p", "targets": str(i).encode() * i}
            writer.add(f"id{i}", stored, {"inputs": 1, "targets": i}, NONE)
        complete = writer.close()
        written.append(Shard(writer.path.name, complete.examples, complete.sha256, complete.bytes))
    return Split(examples, tuple(written), {"inputs": examples, "targets": sum(range(examples))}, {})


def test_the_examples_are_those_of_the_first_shard_then_those_of_the_second(tmp_path):
    split = write(tmp_path, 8)
    assert [(shard.file, shard.examples) for shard in split.shards] == [
        ("train-00000-of-00003.array_record", 2),
        ("train-00001-of-00003.array_record", 3),
        ("train-00002-of-00003.array_record", 3),
    ]
    assert np.load(lengths_path(tmp_path / split.shards[1].file)).tolist() == [[1, 2], [1, 3], [1, 4]]
    reader = SplitReader(tmp_path, split)
    assert reader.lengths_NF.tolist() == [[1, i] for i in range(8)]
    assert [record["id"] for record in reader.read([7, 0, 3, 3])] == ["id7", "id0", "id3", "id3"]
    assert reader.read([3])[0] == {"id": "id3", "inputs": b"p", "targets": b"333"}


def test_a_split_smaller_than_its_shards_is_read_whole(tmp_path):
    reader = SplitReader(tmp_path, write(tmp_path, 1))
    assert reader.read([0])[0]["id"] == "id0" and len(reader.lengths_NF) == 1


def test_threads_share_a_reader(tmp_path):
    reader = SplitReader(tmp_path, write(tmp_path, 200))
    wrong = []

    def read(seed):
        for _ in range(20):
            wanted = np.random.default_rng(seed).integers(0, 200, 16).tolist()
            if [record["id"] for record in reader.read(wanted)] != [f"id{i}" for i in wanted]:
                wrong.append(wanted)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_manifest_is_read_as_it_was_written(tmp_path):
    split = Split(1, (Shard("dev-00000-of-00001.array_record", 1, "cd"),), {"targets": 1}, {"empty": 2})
    manifest = Manifest("p", ("targets",), {"dev": split}, {"v.model": "ab"}, {"accuracy": 0.5}, 3, 100)
    manifest.write(tmp_path)
    assert Manifest.read(tmp_path) == manifest


def test_a_manifest_from_before_max_cases_is_read(tmp_path):
    Manifest("p", (), {}, {}, {}, 3).write(tmp_path)
    path = tmp_path / "manifest.json"
    fields = json.loads(path.read_text())
    del fields["max_cases"]
    path.write_text(json.dumps(fields))
    assert Manifest.read(tmp_path).max_cases == 0


def test_checksums_are_compared_when_asked(tmp_path):
    split = write(tmp_path, 8)
    manifest = Manifest("p", ("inputs", "targets"), {"train": split}, {}, {}, 0)
    assert verify(tmp_path, manifest) == 3
    path = tmp_path / split.shards[2].file
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"train-00002-of-00003\.array_record is not what was written: checksum"):
        verify(tmp_path, manifest)
    path.unlink()
    with pytest.raises(UserError, match=r"train-00002-of-00003\.array_record can't be read"):
        verify(tmp_path, manifest)


def test_a_missing_and_a_damaged_manifest_are_named(tmp_path):
    with pytest.raises(UserError, match="There is no generated data in"):
        Manifest.read(tmp_path)
    for content in ("{", "[]", json.dumps({"problem": "p"})):
        (tmp_path / "manifest.json").write_text(content)
        with pytest.raises(UserError, match=r"manifest\.json is damaged"):
            Manifest.read(tmp_path)


@pytest.mark.parametrize("suffix", ["", ".lengths.npy"])
def test_a_missing_shard_or_index_is_named(tmp_path, suffix):
    split = write(tmp_path, 8)
    (tmp_path / (split.shards[1].file + suffix)).unlink()
    with pytest.raises(UserError, match="train-00001-of-00003.array_record"):
        SplitReader(tmp_path, split)


def test_a_shard_with_other_records_than_the_manifest_says_is_refused(tmp_path):
    split = write(tmp_path, 8)
    shutil.copy(tmp_path / split.shards[0].file, tmp_path / split.shards[1].file)
    with pytest.raises(UserError, match="should hold 3 records; found 2 and 3 lengths"):
        SplitReader(tmp_path, split)


@pytest.mark.parametrize("change", [-1, 0, 1])
def test_a_shard_of_another_size_is_refused_with_both_sizes(tmp_path, change):
    split = write(tmp_path, 8)
    path = tmp_path / split.shards[1].file
    content = path.read_bytes()
    assert split.shards[1].bytes == len(content)
    path.write_bytes(content[:change] if change < 0 else content + b"x" * change)
    if change == 0:
        assert len(SplitReader(tmp_path, split).read([3, 4])) == 2
        return
    with pytest.raises(UserError) as caught:
        SplitReader(tmp_path, split)
    size = f"{len(content):,} bytes in the manifest, {len(content) + change:,} now"
    assert str(caught.value).startswith(f"{path} is not what was written: {size}. Restore it, or remove {tmp_path} ")


def test_a_shard_whose_own_index_is_damaged_is_refused_with_the_reason(tmp_path):
    split = write(tmp_path, 8)
    path = tmp_path / split.shards[0].file
    content = bytearray(path.read_bytes())
    content[65540] ^= 1  # behind the first 64 KiB stands how many records there are, and where
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"{path} can't be read .*hash mismatch"):
        SplitReader(tmp_path, split)


def test_a_split_is_known_by_what_its_files_hold(tmp_path):
    (tmp_path / "again").mkdir()
    split, again = write(tmp_path, 8), write(tmp_path / "again", 8)
    assert split.fingerprint == again.fingerprint != write(tmp_path, 9).fingerprint
    unsized = dataclasses.replace(split, shards=tuple(dataclasses.replace(one, bytes=0) for one in split.shards))
    assert unsized.fingerprint == split.fingerprint  # as a manifest has it that does not say


def test_a_damaged_record_is_named_and_the_others_are_read(tmp_path, flip):
    split = write(tmp_path, 8)
    byte = flip(tmp_path / split.shards[1].file, 2)
    reader = SplitReader(tmp_path, split)
    actual = reader.read_each([7, 4, 3, 0])
    assert [actual[i]["id"] for i in (0, 2, 3)] == ["id7", "id3", "id0"]
    assert actual[1].sentence.startswith(
        f"Record 2 of 3 in {tmp_path}/train-00001-of-00003.array_record, at byte {byte:,}, "
        f"an example of {tmp_path.name}: Corrupted Riegeli/records file: chunk data hash mismatch"
    )
    with pytest.raises(CorruptRecord, match=f"Record 2 of 3 in .* Remove {tmp_path} and .*corrupt_record=skip"):
        reader.read([7, 4])


def test_no_changed_byte_of_a_record_goes_unnoticed(tmp_path):
    split = write(tmp_path, 3, shards=1)
    path = tmp_path / split.shards[0].file
    content = path.read_bytes()
    intact = SplitReader(tmp_path, split).read([0, 1, 2])
    second = 64 + 40 + int.from_bytes(content[72:80], "little")
    third = second + 40 + int.from_bytes(content[second + 8 : second + 16], "little")
    for place in range(second, third):
        path.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
        first, broken, last = SplitReader(tmp_path, split).read_each([0, 1, 2])
        assert isinstance(broken, CorruptRecord) and [first, last] == [intact[0], intact[2]]
