"""Divergence of two runs, in run directories that the tests write."""

import json

import numpy as np
import pytest

from t2t_mm.errors import UserError
from t2t_mm.run_tools.diff_runs import differences, find_divergence, windows
from t2t_mm.train import checkpoint

WEIGHTS = {"net/body/a": np.arange(6, dtype=np.float32).reshape(2, 3), "steps/body/a": np.array([4.0], np.float32)}


def run(folder, steps=(), diverged_at=None, log=(), **config):
    """Write a run with checkpoints of `steps`, which differs from other runs from step `diverged_at` on."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"seed": 0, "training": {"learning_rate": 0.1}, **config}))
    (folder / "log.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in log))
    for step in steps:
        moved = 1e-6 if diverged_at is not None and step >= diverged_at else 0.0
        tensors = {name: value + np.float32(step + moved) for name, value in WEIGHTS.items()}
        checkpoint.save(folder, step, tensors, {"step": step, "positions": {"a": step}}, keep=0)
    return folder


def start(step):
    return {"kind": "start", "step": step}


def line(step, **loss):
    return {"kind": "training", "step": step, "loss": loss}


@pytest.mark.parametrize("diverged_at", [1, 2, 3, 4, 5, 6, 7, 8])
def test_the_first_checkpoint_that_differs_is_found_by_binary_search(tmp_path, monkeypatch, diverged_at):
    first = run(tmp_path / "one", range(1, 9))
    second = run(tmp_path / "two", range(1, 10), diverged_at)
    read, load = [], checkpoint.load
    monkeypatch.setattr(checkpoint, "load", lambda path: read.append(path) or load(path))
    divergence = find_divergence(first, second)
    assert (divergence.equal, divergence.different, divergence.steps) == (diverged_at - 1 or None, diverged_at, 8)
    assert not divergence.same and len(divergence.checkpoint) == 2 and len(read) <= 2 * 4


def test_equal_runs_are_read_at_their_last_common_step_only(tmp_path, monkeypatch):
    log = [start(0), line(1, a=0.5), line(100, a=float("nan"))]
    first, second = (run(tmp_path / name, range(1, 100), log=log) for name in ("one", "two"))
    read, load = [], checkpoint.load
    monkeypatch.setattr(checkpoint, "load", lambda path: read.append(path.name) or load(path))
    divergence = find_divergence(first, second)
    assert divergence.same and (divergence.equal, divergence.different, divergence.windows) == (99, None, 2)
    assert read == ["model.ckpt-99.safetensors"] * 2 and divergence.settings == []


def test_a_single_bit_counts_even_if_the_numbers_are_equal():
    one, other = {"a": np.array([0.0, 1.0, 2.0])}, {"a": np.array([-0.0, 1.0, 2.5])}
    assert differences((one, {}), (other, {})) == [
        "a: 2 of 3 numbers differ, by 0.5 at most; the first at [0]: 0.0 and -0.0"
    ]
    nan = {"a": np.array(np.nan, np.float32)}
    assert differences((nan, {"x": 1}), (nan, {"x": 1})) == []


def test_missing_tensors_other_shapes_and_the_state_are_reported():
    one = {"a": np.zeros(2, np.float32), "b": np.zeros((0, 3)), "c": np.zeros(1)}
    other = {"a": np.zeros((2, 1), np.float32), "b": np.zeros((0, 3)), "d": np.zeros(1)}
    assert differences((one, {"positions": {"x": 3, "y": 4}}), (other, {"positions": {"x": 3, "y": 5}})) == [
        "a: float32[2] and float32[2, 1]",
        "c: only in the first",
        "d: only in the second",
        "state positions.y: 4 and 5",
    ]


def test_lines_of_the_logs_about_the_same_steps_are_compared(tmp_path):
    first = run(tmp_path / "one", log=[start(0), line(1, a=5.0), line(100, a=4.0), line(200, a=3.0, b=1.0)])
    stopped = [start(0), line(1, a=5.0), line(100, a=4.0), line(150, a=9.0), start(100), line(101, a=9.0)]
    second = run(tmp_path / "two", log=[*stopped, line(200, a=9.0), start(100), line(200, a=3.0, b=1.5)])
    assert windows(second / "log.jsonl", []) == {
        (1, 1): {"a": 5.0},
        (2, 100): {"a": 4.0},
        (101, 150): {"a": 9.0},
        (101, 101): {"a": 9.0},
        (102, 200): {"a": 9.0},
        (101, 200): {"a": 3.0, "b": 1.5},
    }
    divergence = find_divergence(first, second)
    assert (divergence.losses, divergence.log, divergence.windows, divergence.same) == (
        (101, 200),
        ["b: 1.0 and 1.5"],
        3,
        False,
    )


def test_lines_that_were_cut_short_are_skipped(tmp_path):
    folder = run(tmp_path / "one", log=[start(0), line(1, a=5.0)])
    with (folder / "log.jsonl").open("a") as log:
        log.write('{"kind": "training", "st\n' + json.dumps(line(3, a=4.0)) + "\n")
    unread = []
    assert windows(folder / "log.jsonl", unread) == {(1, 1): {"a": 5.0}, (2, 3): {"a": 4.0}}
    assert unread == [f"1 line of {folder / 'log.jsonl'} can't be read and was skipped."]


def test_lines_that_a_trainer_did_not_write_are_skipped_and_counted(tmp_path):
    odd = [{"kind": "training", "step": 2}, {"kind": "training", "step": "x", "loss": {"a": 1.0}}, [1], None, 7]
    odd += [
        {"kind": "start", "step": "x"},
        {"kind": "training", "step": 2, "loss": 1.0},
        {"kind": "start"},
        {"step": 2},
    ]
    log = (
        run(tmp_path / "one", log=[start(0), line(1, a=5.0), *odd, {"kind": "evaluation"}, line(3, a=4.0)])
        / "log.jsonl"
    )
    unread = []
    assert windows(log, unread) == {(1, 1): {"a": 5.0}, (2, 3): {"a": 4.0}}
    assert unread == [f"9 lines of {log} can't be read and were skipped."]


@pytest.mark.parametrize(
    ("text", "reason"), [("[1]", "contains [1]"), ("7", "contains 7"), ("null", "contains null"), ("{", "read:")]
)
def test_the_rest_is_compared_if_settings_cannot_be_read(tmp_path, text, reason):
    first, second = run(tmp_path / "one", [3]), run(tmp_path / "two", [3], diverged_at=3)
    (second / "config.json").write_text(text)
    divergence = find_divergence(first, second)
    assert divergence.settings is None and (divergence.different, divergence.same) == (3, False)
    assert len(divergence.unread) == 1 and f"two/config.json {reason}" in divergence.unread[0].replace("cannot be ", "")


@pytest.mark.parametrize("broken", [(9,), (4,), (3, 4, 5), (1, 2), (1, 9), (5, 6, 7, 8, 9), (1, 2, 3, 4, 5)])
@pytest.mark.parametrize("diverged_at", [3, 6, None])
def test_the_other_checkpoints_are_compared_if_one_is_broken(tmp_path, broken, diverged_at):
    first, second = run(tmp_path / "one", range(1, 10)), run(tmp_path / "two", range(1, 10), diverged_at)
    for step in broken:
        checkpoint.path_of(second, step).write_bytes(b"half")
    divergence = find_divergence(first, second)
    intact = [step for step in range(1, 10) if step not in broken]
    assert divergence.equal == max([step for step in intact if diverged_at is None or step < diverged_at], default=None)
    assert divergence.different == min([step for step in intact if diverged_at and step >= diverged_at], default=None)
    assert all(f"two/model.ckpt-{step}" in " ".join(divergence.unread) for step in broken if step == 9)


def test_runs_are_not_called_the_same_if_everything_that_both_have_is_broken(tmp_path):
    first, second = run(tmp_path / "one", [3]), run(tmp_path / "two", [3])
    checkpoint.path_of(first, 3).write_bytes(b"half")
    with pytest.raises(UserError, match="have nothing of the same steps that can be read. The checkpoint .* is broken"):
        find_divergence(first, second)


def test_settings_that_differ_are_named_and_the_command_line_is_not(tmp_path):
    first = run(tmp_path / "one", [3], command_line=["a"])
    second = run(tmp_path / "two", [3], seed=1, training={"learning_rate": 0.2}, command_line=["b"])
    divergence = find_divergence(first, second)
    assert divergence.settings == ["seed: 0 and 1", "training.learning_rate: 0.1 and 0.2"] and divergence.same


def test_runs_that_cannot_be_compared_are_refused(tmp_path):
    first = run(tmp_path / "one", [3])
    with pytest.raises(UserError, match="There is no run in .*nowhere: it has no config.json"):
        find_divergence(first, tmp_path / "nowhere")
    with pytest.raises(UserError, match="have no step in common"):
        find_divergence(first, run(tmp_path / "two", [4]))
