import json
import os
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from t2t_mm.errors import UserError
from t2t_mm.train import checkpoint

TENSORS = {
    "body/kernel": np.arange(6, dtype=np.float32).reshape(2, 3),
    "body/kernel/m": np.full((2, 3), -0.5, np.float32),
    "steps": np.array(7, np.int32),
    "none": np.zeros((0, 4), np.float32),
}
STATE = {"step": 12, "mixer": {"a": 0.1 + 0.2, "b": 1e-300}, "names": ["é", "\n"]}


def test_arrays_and_state_come_back_to_the_last_bit(tmp_path):
    path = checkpoint.save(tmp_path / "run", 12, TENSORS, STATE, keep=3)
    assert path == tmp_path / "run" / "model.ckpt-12.safetensors"
    tensors, state = checkpoint.load(path)
    assert state == STATE
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert tensors[name].dtype == tensor.dtype
        np.testing.assert_array_equal(tensors[name], tensor, strict=True)


def test_an_array_that_lies_transposed_in_memory_comes_back_as_it_reads(tmp_path):
    transposed = np.arange(6.0).reshape(2, 3).T
    tensors, _ = checkpoint.load(checkpoint.save(tmp_path, 1, {"a": transposed}, {}, keep=1))
    np.testing.assert_array_equal(tensors["a"], [[0, 3], [1, 4], [2, 5]])


def test_other_readers_of_safetensors_open_it(tmp_path):
    path = checkpoint.save(tmp_path, 1, TENSORS, STATE, keep=1)
    np.testing.assert_array_equal(load_file(path)["body/kernel"], [[0, 1, 2], [3, 4, 5]])


def test_saving_leaves_the_checkpoint_alone_in_its_folder_with_the_permissions_of_other_files(tmp_path):
    path = checkpoint.save(tmp_path, 1, TENSORS, STATE, keep=1)
    ordinary = tmp_path / "ordinary"
    ordinary.touch()
    assert path.stat().st_mode == ordinary.stat().st_mode
    assert sorted(os.listdir(tmp_path)) == ["model.ckpt-1.safetensors", "ordinary"]


def test_steps_are_ordered_as_numbers_and_other_files_are_no_checkpoints(tmp_path):
    for step in (9, 10, 100):
        checkpoint.save(tmp_path, step, TENSORS, {}, keep=0)
    for name in ("model.ckpt-7.index", "model.ckpt-x.safetensors", "xmodel.ckpt-8.safetensors"):
        (tmp_path / name).touch()
    assert checkpoint.steps(tmp_path) == [9, 10, 100]
    assert checkpoint.latest(tmp_path) == tmp_path / "model.ckpt-100.safetensors"


def test_a_folder_without_checkpoints_has_no_latest(tmp_path):
    assert checkpoint.latest(tmp_path) is None
    assert checkpoint.latest(tmp_path / "nowhere") is None


def test_the_newest_are_kept(tmp_path):
    for step in (1, 2, 3, 4):
        checkpoint.save(tmp_path, step, TENSORS, {}, keep=2)
    assert checkpoint.steps(tmp_path) == [3, 4]


def test_the_one_just_written_is_kept_even_when_later_steps_are_there(tmp_path):
    checkpoint.save(tmp_path, 50, TENSORS, {}, keep=2)
    checkpoint.save(tmp_path, 60, TENSORS, {}, keep=2)
    checkpoint.save(tmp_path, 10, TENSORS, {}, keep=2)
    assert checkpoint.steps(tmp_path) == [10, 60]
    checkpoint.save(tmp_path, 11, TENSORS, {}, keep=1)
    assert checkpoint.steps(tmp_path) == [11]


def test_keeping_zero_removes_nothing(tmp_path):
    for step in range(5):
        checkpoint.save(tmp_path, step, TENSORS, {}, keep=0)
    assert checkpoint.steps(tmp_path) == [0, 1, 2, 3, 4]


def test_a_checkpoint_cut_short_at_any_place_is_refused_by_name(tmp_path):
    checkpoint.save(tmp_path, 1, TENSORS, STATE, keep=0)
    path = checkpoint.save(tmp_path, 2, TENSORS, STATE, keep=0)
    whole = path.read_bytes()
    for length in (0, 5, 100, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match=r"model\.ckpt-2\.safetensors is broken.*model\.ckpt-1"):
            checkpoint.load(path)


def test_a_changed_byte_is_noticed_wherever_it_is(tmp_path):
    path = checkpoint.save(tmp_path, 1, TENSORS, STATE, keep=0)
    whole = path.read_bytes()
    for place in range(8, len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1
        path.write_bytes(changed)
        with pytest.raises(UserError, match="broken|no checkpoint"):
            checkpoint.load(path)
    path.write_bytes(whole)
    checkpoint.load(path)


def test_arrays_that_changed_places_are_noticed(tmp_path):
    path = checkpoint.save(tmp_path, 1, {"a": np.zeros(2), "b": np.ones(2)}, {}, keep=0)
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"a"', b'"?"').replace(b'"b"', b'"a"').replace(b'"?"', b'"b"'))
    with pytest.raises(UserError, match="checksum"):
        checkpoint.load(path)


def test_what_is_no_checkpoint_is_refused(tmp_path):
    with pytest.raises(UserError, match="no checkpoint"):
        checkpoint.load(tmp_path / "model.ckpt-1.safetensors")
    foreign = tmp_path / "weights.safetensors"
    save_file({"a": np.zeros(2)}, foreign)
    with pytest.raises(UserError, match="no training state"):
        checkpoint.load(foreign)


def test_a_folder_that_cannot_be_written_to_is_said_in_a_sentence(tmp_path):
    (tmp_path / "run").write_text("a file")
    with pytest.raises(UserError, match="could not be written"):
        checkpoint.save(tmp_path / "run", 1, TENSORS, {}, keep=1)


def test_when_the_disk_is_full_the_earlier_checkpoint_stays_and_nothing_half_written(tmp_path):
    good = checkpoint.save(tmp_path, 1, TENSORS, STATE, keep=1)
    script = f"""
import resource, sys
from pathlib import Path
import numpy as np
from t2t_mm.errors import UserError
from t2t_mm.train import checkpoint
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))  # files end here, as on a full disk
try:
    checkpoint.save(Path({str(tmp_path)!r}), 2, {{"a": np.zeros(1_000_000)}}, {{}}, keep=1)
except UserError as error:
    sys.exit(str(error))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "model.ckpt-2.safetensors could not be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert os.listdir(tmp_path) == [good.name]
    assert checkpoint.load(good)[1] == STATE


def test_what_a_killed_writer_left_goes_with_the_next_save(tmp_path):
    left = tmp_path / ".partial-killed"
    left.mkdir()
    (left / "model.ckpt-1.safetensors").write_bytes(b"half")
    checkpoint.save(tmp_path, 2, TENSORS, STATE, keep=1)
    assert os.listdir(tmp_path) == ["model.ckpt-2.safetensors"]


def test_a_state_that_json_cannot_hold_is_an_error_before_anything_is_written(tmp_path):
    with pytest.raises(TypeError):
        checkpoint.save(tmp_path, 1, TENSORS, {"a": {1, 2}}, keep=1)
    assert os.listdir(tmp_path) == []


def test_the_state_stands_in_the_files_header_as_json(tmp_path):
    path = checkpoint.save(tmp_path, 1, TENSORS, STATE, keep=1)
    content = path.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert json.loads(header["__metadata__"]["state"]) == STATE


def test_saving_does_not_copy_the_arrays(tmp_path):
    array = np.ones(1_000_000)  # 8 MB
    tracemalloc.start()
    try:
        checkpoint.save(tmp_path, 1, {"a": array}, {}, keep=1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


def test_the_newest_whole_checkpoint_is_taken_and_broken_ones_are_set_aside(tmp_path):
    for step in (1, 2, 3):
        path = checkpoint.save(tmp_path, step, TENSORS, {"step": step}, keep=0)
        if step > 1:
            path.write_bytes(path.read_bytes()[:-1])
    said = []
    path, _, state = checkpoint.load_newest(tmp_path, said.append)
    assert (path, state) == (checkpoint.path_of(tmp_path, 1), {"step": 1})
    assert checkpoint.steps(tmp_path) == [1]
    assert {f"model.ckpt-{step}.safetensors.broken" for step in (2, 3)} <= set(os.listdir(tmp_path))
    assert len(said) == 2 and "model.ckpt-3.safetensors is broken" in said[0] and "the one before it" in said[0]


def test_who_only_reads_leaves_broken_checkpoints_where_they_are(tmp_path):
    for step in (1, 2):
        path = checkpoint.save(tmp_path, step, TENSORS, {}, keep=0)
    path.write_bytes(path.read_bytes()[:-1])
    said = []
    assert checkpoint.load_newest(tmp_path, said.append, set_aside=False)[0] == checkpoint.path_of(tmp_path, 1)
    assert said[0].endswith("The one before it is used.") and checkpoint.steps(tmp_path) == [1, 2]
    checkpoint.path_of(tmp_path, 1).write_bytes(b"")
    with pytest.raises(UserError, match="Every checkpoint in .* is broken"):
        checkpoint.load_newest(tmp_path, said.append, set_aside=False)


def test_when_every_checkpoint_is_broken_it_is_an_error_and_the_next_start_is_a_new_one(tmp_path):
    path = checkpoint.save(tmp_path, 1, TENSORS, {}, keep=0)
    path.write_bytes(b"nothing")
    with pytest.raises(UserError, match="Every checkpoint in .* was broken"):
        checkpoint.load_newest(tmp_path, lambda line: None)
    assert checkpoint.load_newest(tmp_path, lambda line: None) is None


def test_weights_are_what_is_no_slot_and_averaged_where_averages_are_kept():
    tensors = {
        "net/a/kernel": np.zeros(2),
        "net/a/kernel/m": np.ones(2),
        "net/a/kernel/average": np.full(2, 5.0),
        "net/commands/to-german": np.ones(3),
        "net/commands/to-german/m": np.zeros(3),
        "steps/a": np.ones(1),
    }
    weights = checkpoint.weights_of(tensors)
    assert weights.keys() == {"net/a/kernel", "net/commands/to-german"}
    np.testing.assert_array_equal(weights["net/a/kernel"], [5, 5])
