"""Files that are decoded window by window: by several workers, and by commands that are stopped or killed."""

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

import t2t_mm
from t2t_mm.bin import decoder_windows
from t2t_mm.bin.decoder import main
from t2t_mm.decoding.decoder import Decoder


@pytest.fixture
def small_windows(monkeypatch):
    """Make windows of four lines, for batches of two."""
    monkeypatch.setattr(decoder_windows, "WINDOW_LINES", 4)
    monkeypatch.setattr(decoder_windows, "WINDOW_BATCHES", 1)


@pytest.fixture
def job(untrained_run, images, small_windows, tmp_path):
    """Return flags that decode eleven lines, two of them bad, to a file, and the expected content of that file."""
    (images / "eleven.txt").write_text("\n".join(["0.png", "1.png", "", "2.png"] * 2 + ["3.png", "1.png", "0.png"]))
    flags = [f"--output_dir={untrained_run}", "--problem=image_shapes", "--decode_batch_size=2", "--return_beams"]
    flags += [f"--decode_from_file={images / 'eleven.txt'}"]
    assert main([*flags, f"--decode_to_file={tmp_path / 'whole.jsonl'}"]) == 1
    return flags, (tmp_path / "whole.jsonl").read_bytes()


@pytest.mark.slow
def test_parts_of_several_workers_concatenate_to_what_one_writes(job, tmp_path, capsys):
    flags, expected = job
    parts = []
    for shard, (lines, failures) in enumerate([(4, 1), (4, 1), (3, 0)]):
        out = tmp_path / "parts" / "out.jsonl"
        flags_of_shard = ["--decode_shards=3", f"--shard_id={shard}", f"--decode_to_file={out}"]
        assert main([*flags, *flags_of_shard]) == (1 if failures else 0)
        path = tmp_path / "parts" / f"out.jsonl-{shard:05d}-of-00003"
        parts.append(path.read_bytes())
        assert parts[-1].count(b"\n") == lines
    assert b"".join(parts) == expected
    assert len(list((tmp_path / "parts").iterdir())) == 3
    assert "line 7: The input is empty." in capsys.readouterr().err  # counted in the whole file


def test_a_worker_without_lines_writes_an_empty_part(job, tmp_path):
    flags, _ = job
    flags_of_shard = ["--decode_shards=9", "--shard_id=0", f"--decode_to_file={tmp_path / 'out.jsonl'}"]
    assert main([*flags, *flags_of_shard]) == 0
    assert (tmp_path / "out.jsonl-00000-of-00009").read_bytes() == b""


def test_a_stopped_command_is_resumed_and_writes_the_same_file(job, tmp_path, monkeypatch, capsys):
    flags, expected = job
    out, calls, answer = tmp_path / "out.jsonl", Counter(), Decoder.answer

    def stops_at_the_third(self, problem, items, *args):
        calls["answer"] += 1
        if calls["answer"] == 3:
            raise KeyboardInterrupt
        return answer(self, problem, items, *args)

    monkeypatch.setattr(Decoder, "answer", stops_at_the_third)
    assert main([*flags, f"--decode_to_file={out}"]) == 130
    assert not out.exists() and len(list((tmp_path / "out.jsonl.unfinished").iterdir())) == 2
    capsys.readouterr()
    assert main([*flags, f"--decode_to_file={out}"]) == 1
    assert calls["answer"] == 4
    assert out.read_bytes() == expected
    errors = capsys.readouterr().err
    assert "2 of 11 lines could not be decoded" in errors and "line 3: The input is empty." in errors
    assert {path.name for path in tmp_path.iterdir()} == {"whole.jsonl", "out.jsonl"}


def test_answers_made_with_other_flags_are_not_reused(job, tmp_path, monkeypatch, capsys):
    flags, expected = job
    out, calls, answer = tmp_path / "out.jsonl", Counter(), Decoder.answer

    def stops_at_the_second(self, problem, items, *args):
        calls["answer"] += 1
        if calls["answer"] == 2:
            raise KeyboardInterrupt
        return answer(self, problem, items, *args)

    monkeypatch.setattr(Decoder, "answer", stops_at_the_second)
    assert main([*flags, "--alpha=0", f"--decode_to_file={out}"]) == 130
    assert main([*flags, f"--decode_to_file={out}"]) == 1
    assert "made from another set of options; these lines are decoded again" in capsys.readouterr().err
    assert calls["answer"] == 5
    assert out.read_bytes() == expected


@pytest.mark.slow
def test_a_killed_process_leaves_answers_that_the_next_one_reuses(untrained_run, images, tmp_path, capsys):
    names = [f"{number % 4}.png" for number in range(8 * decoder_windows.WINDOW_LINES)]
    (images / "many.txt").write_text("\n".join(names))
    flags = [f"--output_dir={untrained_run}", "--problem=image_shapes", "--return_beams"]
    flags += [f"--decode_from_file={images / 'many.txt'}"]
    out = tmp_path / "out.txt"
    process = subprocess.Popen(
        [sys.executable, "-m", "t2t_mm.bin.decoder", *flags, f"--decode_to_file={out}"],
        env={**os.environ, "PYTHONPATH": str(Path(t2t_mm.__file__).parents[1])},
        stderr=subprocess.DEVNULL,
    )
    first = tmp_path / "out.txt.unfinished" / "window-00000000.json"
    while not first.exists() and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -9, "it had ended before it was killed"
    assert 1 <= len(list(first.parent.glob("window-*.json"))) < 8 and not out.exists()
    assert main([*flags, f"--decode_to_file={out}"]) == 0
    assert "holds answers of a command that was stopped" in capsys.readouterr().err
    assert main([*flags]) == 0
    assert out.read_text() == capsys.readouterr().out
    assert not first.parent.exists()
