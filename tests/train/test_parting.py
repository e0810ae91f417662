"""Where two runs part, in run directories made on the spot."""

import json

import numpy as np
import pytest

from t2t_mm.errors import UserError
from t2t_mm.train import checkpoint
from t2t_mm.train.parting import differences, parting, windows

WEIGHTS = {"net/body/a": np.arange(6, dtype=np.float32).reshape(2, 3), "steps/body/a": np.array([4.0], np.float32)}


def run(folder, steps=(), parted_at=None, log=(), **config):
    """A run with checkpoints of `steps`, different from other runs from step `parted_at` on."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"seed": 0, "training": {"learning_rate": 0.1}, **config}))
    (folder / "log.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in log))
    for step in steps:
        moved = 1e-6 if parted_at is not None and step >= parted_at else 0.0
        tensors = {name: value + np.float32(step + moved) for name, value in WEIGHTS.items()}
        checkpoint.save(folder, step, tensors, {"step": step, "positions": {"a": step}}, keep=0)
    return folder


def start(step):
    return {"kind": "start", "step": step}


def line(step, **loss):
    return {"kind": "training", "step": step, "loss": loss}


@pytest.mark.parametrize("parted_at", [1, 2, 3, 4, 5, 6, 7, 8])
def test_the_first_checkpoint_that_differs_is_found_by_halving(tmp_path, monkeypatch, parted_at):
    first = run(tmp_path / "one", range(1, 9))
    second = run(tmp_path / "two", range(1, 10), parted_at)
    read, load = [], checkpoint.load
    monkeypatch.setattr(checkpoint, "load", lambda path: read.append(path) or load(path))
    found = parting(first, second)
    assert (found.equal, found.different, found.steps) == (parted_at - 1 or None, parted_at, 8)
    assert not found.same and len(found.checkpoint) == 2 and len(read) <= 2 * 4


def test_equal_runs_are_read_at_their_last_common_step_alone(tmp_path, monkeypatch):
    log = [start(0), line(1, a=0.5), line(100, a=float("nan"))]
    first, second = (run(tmp_path / name, range(1, 100), log=log) for name in ("one", "two"))
    read, load = [], checkpoint.load
    monkeypatch.setattr(checkpoint, "load", lambda path: read.append(path.name) or load(path))
    found = parting(first, second)
    assert found.same and (found.equal, found.different, found.windows) == (99, None, 2)
    assert read == ["model.ckpt-99.safetensors"] * 2 and found.settings == []


def test_a_single_bit_counts_even_where_the_numbers_are_equal():
    one, other = {"a": np.array([0.0, 1.0, 2.0])}, {"a": np.array([-0.0, 1.0, 2.5])}
    assert differences((one, {}), (other, {})) == [
        "a: 2 of 3 numbers differ, by 0.5 at most; the first at [0]: 0.0 and -0.0"
    ]
    nan = {"a": np.array(np.nan, np.float32)}
    assert differences((nan, {"x": 1}), (nan, {"x": 1})) == []


def test_tensors_that_are_missing_or_of_another_kind_and_the_state_are_told():
    one = {"a": np.zeros(2, np.float32), "b": np.zeros((0, 3)), "c": np.zeros(1)}
    other = {"a": np.zeros((2, 1), np.float32), "b": np.zeros((0, 3)), "d": np.zeros(1)}
    assert differences((one, {"positions": {"x": 3, "y": 4}}), (other, {"positions": {"x": 3, "y": 5}})) == [
        "a: float32[2] and float32[2, 1]",
        "c: only in the first",
        "d: only in the second",
        "state positions.y: 4 and 5",
    ]


def test_lines_of_the_log_are_compared_that_are_of_the_same_steps(tmp_path):
    first = run(tmp_path / "one", log=[start(0), line(1, a=5.0), line(100, a=4.0), line(200, a=3.0, b=1.0)])
    stopped = [start(0), line(1, a=5.0), line(100, a=4.0), line(150, a=9.0), start(100), line(101, a=9.0)]
    second = run(tmp_path / "two", log=[*stopped, line(200, a=9.0), start(100), line(200, a=3.0, b=1.5)])
    assert windows(second / "log.jsonl") == {
        (1, 1): {"a": 5.0},
        (2, 100): {"a": 4.0},
        (101, 150): {"a": 9.0},
        (101, 101): {"a": 9.0},
        (102, 200): {"a": 9.0},
        (101, 200): {"a": 3.0, "b": 1.5},
    }
    found = parting(first, second)
    assert (found.losses, found.log, found.windows, found.same) == ((101, 200), ["b: 1.0 and 1.5"], 3, False)


def test_lines_that_a_kill_cut_short_are_passed_over(tmp_path):
    folder = run(tmp_path / "one", log=[start(0), line(1, a=5.0)])
    with (folder / "log.jsonl").open("a") as log:
        log.write('{"kind": "training", "st\n' + json.dumps(line(3, a=4.0)) + "\n")
    assert windows(folder / "log.jsonl") == {(1, 1): {"a": 5.0}, (2, 3): {"a": 4.0}}


def test_settings_that_differ_are_named_and_the_command_is_none_of_them(tmp_path):
    first = run(tmp_path / "one", [3], command_line=["a"])
    second = run(tmp_path / "two", [3], seed=1, training={"learning_rate": 0.2}, command_line=["b"])
    found = parting(first, second)
    assert found.settings == ["seed: 0 and 1", "training.learning_rate: 0.1 and 0.2"] and found.same


def test_what_cannot_be_compared_is_a_sentence(tmp_path):
    first = run(tmp_path / "one", [3])
    with pytest.raises(UserError, match="There is no run in .*nowhere: it has no config.json"):
        parting(first, tmp_path / "nowhere")
    with pytest.raises(UserError, match="have no step in common"):
        parting(first, run(tmp_path / "two", [4]))
