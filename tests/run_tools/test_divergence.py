"""Where two runs part, in run directories made on the spot."""

import json

import numpy as np
import pytest

from t2t_mm.errors import UserError
from t2t_mm.run_tools.diff_runs import differences, parting, windows
from t2t_mm.train import checkpoint

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
    assert windows(second / "log.jsonl", []) == {
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
    unread = []
    assert windows(folder / "log.jsonl", unread) == {(1, 1): {"a": 5.0}, (2, 3): {"a": 4.0}}
    assert unread == [f"1 line of {folder / 'log.jsonl'} can't be read, and so was passed over."]


def test_lines_that_no_trainer_wrote_are_passed_over_and_counted(tmp_path):
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
    assert unread == [f"9 lines of {log} can't be read, and so were passed over."]


@pytest.mark.parametrize(
    ("text", "said"), [("[1]", "holds [1]"), ("7", "holds 7"), ("null", "holds null"), ("{", "read:")]
)
def test_settings_that_cannot_be_read_leave_the_rest_to_compare(tmp_path, text, said):
    first, second = run(tmp_path / "one", [3]), run(tmp_path / "two", [3], parted_at=3)
    (second / "config.json").write_text(text)
    found = parting(first, second)
    assert found.settings is None and (found.different, found.same) == (3, False)
    assert len(found.unread) == 1 and f"two/config.json {said}" in found.unread[0].replace("cannot be ", "")


@pytest.mark.parametrize("broken", [(9,), (4,), (3, 4, 5), (1, 2), (1, 9), (5, 6, 7, 8, 9), (1, 2, 3, 4, 5)])
@pytest.mark.parametrize("parted_at", [3, 6, None])
def test_a_broken_checkpoint_leaves_the_others_to_compare(tmp_path, broken, parted_at):
    first, second = run(tmp_path / "one", range(1, 10)), run(tmp_path / "two", range(1, 10), parted_at)
    for step in broken:
        checkpoint.path_of(second, step).write_bytes(b"half")
    found = parting(first, second)
    whole = [step for step in range(1, 10) if step not in broken]
    assert found.equal == max([step for step in whole if parted_at is None or step < parted_at], default=None)
    assert found.different == min([step for step in whole if parted_at and step >= parted_at], default=None)
    assert all(f"two/model.ckpt-{step}" in " ".join(found.unread) for step in broken if step == 9)


def test_where_all_that_both_have_is_broken_nothing_is_called_the_same(tmp_path):
    first, second = run(tmp_path / "one", [3]), run(tmp_path / "two", [3])
    checkpoint.path_of(first, 3).write_bytes(b"half")
    with pytest.raises(UserError, match="hold nothing of the same steps that can be read. The checkpoint .* is broken"):
        parting(first, second)


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
