"""Shards, lengths and manifests on disk."""

import json
import os
import shutil
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest

import t2t_mm
from t2t_mm.data.records import Manifest, SplitReader, SplitWriter, complete_or_absent, lengths_path
from t2t_mm.errors import UserError
from t2t_mm.fingerprint import fingerprint


def write(folder, examples, shards=3):
    """Example i holds "i" i times, and an image of length 1."""
    writer = SplitWriter(folder, "train", ("inputs", "targets"), shards)
    for i in range(examples):
        writer.add(f"id{i}", {"inputs": b"p", "targets": str(i).encode() * i}, {"inputs": 1, "targets": i})
    return writer.close()


def test_example_i_is_record_i_div_n_of_shard_i_mod_n(tmp_path):
    split = write(tmp_path, 8)
    assert [(shard.file, shard.examples) for shard in split.shards] == [
        ("train-00000-of-00003.array_record", 3),
        ("train-00001-of-00003.array_record", 3),
        ("train-00002-of-00003.array_record", 2),
    ]
    assert split.examples == 8 and split.tokens == {"inputs": 8, "targets": 28}
    assert np.load(lengths_path(tmp_path / split.shards[1].file)).tolist() == [[1, 1], [1, 4], [1, 7]]
    reader = SplitReader(tmp_path, split)
    assert reader.lengths_NF.tolist() == [[1, i] for i in range(8)]
    assert [record["id"] for record in reader.read([7, 0, 3, 3])] == ["id7", "id0", "id3", "id3"]
    assert reader.read([3])[0] == {"id": "id3", "inputs": b"p", "targets": b"333"}


def test_a_split_smaller_than_its_shards_is_read_whole(tmp_path):
    reader = SplitReader(tmp_path, write(tmp_path, 1))
    assert reader.read([0])[0]["id"] == "id0" and len(reader.lengths_NF) == 1


def test_equal_records_give_equal_files_and_fingerprints(tmp_path):
    (tmp_path / "a").mkdir(), (tmp_path / "b").mkdir()
    first, second = write(tmp_path / "a", 20), write(tmp_path / "b", 20)
    assert first == second
    assert first.shards[0].sha256 == fingerprint(tmp_path / "a" / first.shards[0].file)


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
    writer = SplitWriter(tmp_path, "dev", ("targets",), 1)
    writer.add("a", {"targets": b"x"}, {"targets": 1})
    writer.drop("empty")
    writer.drop("empty")
    split = writer.close()
    assert split.dropped == {"empty": 2}
    manifest = Manifest("p", ("targets",), {"dev": split}, {"v.model": "ab"}, {"accuracy": 0.5}, 3)
    manifest.write(tmp_path)
    assert Manifest.read(tmp_path) == manifest


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
    shutil.copy(tmp_path / split.shards[2].file, tmp_path / split.shards[0].file)
    with pytest.raises(UserError, match="should hold 3 records; found 2 and 3 lengths"):
        SplitReader(tmp_path, split)


def test_a_damaged_record_is_an_error_that_names_the_shard(tmp_path):
    writer = SplitWriter(tmp_path, "dev", ("targets",), 1)
    writer.add("a", {"targets": np.random.default_rng(0).bytes(5000)}, {"targets": 1})
    split = writer.close()
    path = tmp_path / split.shards[0].file
    content = bytearray(path.read_bytes())
    middle = content.index(np.random.default_rng(0).bytes(5000)[1000:1100])
    content[middle] ^= 255
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"dev-00000-of-00001\.array_record is damaged"):
        SplitReader(tmp_path, split).read([0])


def test_a_folder_is_there_whole_or_not_at_all(tmp_path):
    with complete_or_absent(tmp_path / "done", tmp_path / "beside") as folder:
        (folder / "file").write_text("x")
        assert not (tmp_path / "done").exists()
    assert (tmp_path / "done" / "file").read_text() == "x"
    with pytest.raises(KeyError):
        with complete_or_absent(tmp_path / "failed", tmp_path / "beside") as folder:
            (folder / "file").write_text("x")
            raise KeyError
    assert os.listdir(tmp_path) == ["done"]


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path):
    # A limit on the size of files fails a write as a full disk does, in the C++ library too.
    script = f"""
        import os, resource, signal, sys
        from pathlib import Path
        from t2t_mm.data.records import SplitWriter, complete_or_absent
        from t2t_mm.errors import UserError

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        root = Path({str(tmp_path)!r})
        try:
            with complete_or_absent(root / "made", root / "made.partial-1") as folder:
                writer = SplitWriter(folder, "train", ("targets",), 2)
                for i in range(200):
                    writer.add(str(i), {{"targets": os.urandom(5000)}}, {{"targets": 1}})
                writer.close()
        except UserError as error:
            sys.exit(str(error))
    """
    environment = {**os.environ, "PYTHONPATH": str(Path(t2t_mm.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 1
    assert "made can't be written" in done.stderr and "MiB are free there" in done.stderr
    assert "Traceback" not in done.stderr
    assert os.listdir(tmp_path) == []
