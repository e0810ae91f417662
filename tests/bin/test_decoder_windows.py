from functools import partial

import pytest

from t2t_mm.bin.decoder_answers import Answered
from t2t_mm.bin.decoder_windows import resumable_file, shard_path, shard_range, window_lines, windows_of
from t2t_mm.errors import UserError

MADE_FROM = {"model": "m", "set of options": "o"}


def lines(count):
    return (b"%d" % number for number in range(count))


@pytest.fixture
def decode(tmp_path):
    """Answer windows of two lines each into out.txt, up to one that fails; gives the answered windows and reports."""

    def run(inputs, stop_at=None, **made_from):
        answered, reports = [], []

        def write(index):
            if index == stop_at:
                raise KeyboardInterrupt
            answered.append(index)
            return Answered((f"{inputs[index]} {made_from}", ""), (f"line {2 * index + 2}: no",))

        with resumable_file(tmp_path / "new" / "out.txt", reports.append) as sink:
            windows = [
                sink.take(index, MADE_FROM | {"input": text} | made_from, partial(write, index))
                for index, text in enumerate(inputs)
            ]
            sink.finish()
        assert [one.errors for one in windows] == [(f"line {2 * index + 2}: no",) for index in range(len(inputs))]
        return answered, reports

    return run


def test_a_file_is_divided_into_windows_in_order():
    assert list(windows_of(lines(5), 2)) == [(0, [b"0", b"1"]), (1, [b"2", b"3"]), (2, [b"4"])]
    assert list(windows_of(lines(0), 2)) == []
    assert window_lines(1) == 256 and window_lines(100) == 800


@pytest.mark.parametrize("windows, shards", [(10, 3), (2, 5), (0, 2), (7, 1), (8, 4)])
def test_ranges_of_shards_are_consecutive_and_even(windows, shards):
    parts = [list(shard_range(windows, shards, shard).of(windows_of(lines(windows), 1))) for shard in range(shards)]
    assert [index for part in parts for index, _ in part] == list(range(windows))
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1


def test_the_file_of_a_shard_stands_beside_the_target(tmp_path):
    assert shard_path(tmp_path / "out.txt", 4, 1) == tmp_path / "out.txt-00001-of-00004"
    assert shard_path(tmp_path / "out.txt", 1, 0) == tmp_path / "out.txt"


def test_a_complete_target_stands_alone_in_its_folder(decode, tmp_path):
    decode(["a", "b"])
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out.txt"]
    assert (tmp_path / "new" / "out.txt").read_text() == "a {}\n\nb {}\n\n"


def test_answers_of_a_stopped_command_are_reused(decode, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        decode(["a", "b", "c"], stop_at=2)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out.txt.unfinished"]
    answered, reports = decode(["a", "b", "c"])
    assert answered == [2]
    assert reports == [
        f"{tmp_path}/new/out.txt.unfinished holds answers of a command that was stopped; answers to the same lines "
        "are reused."
    ]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out.txt"]
    assert (tmp_path / "new" / "out.txt").read_text() == "a {}\n\nb {}\n\nc {}\n\n"


@pytest.mark.parametrize(
    "inputs, made_from, answered, sentence",
    [
        (["a", "B", "c"], {}, [1, 2], "made from another input;"),
        (["a", "b", "c"], {"model": "n"}, [0, 1, 2], "made from another model;"),
        (["x", "b", "c"], {"set of options": "p"}, [0, 1, 2], "made from another set of options and another input;"),
        (["a"], {}, [], None),
    ],
)
def test_answers_made_from_something_else_are_made_again_and_reported(
    decode, tmp_path, inputs, made_from, answered, sentence
):
    with pytest.raises(KeyboardInterrupt):
        decode(["a", "b", "c"], stop_at=2)
    answered_again, reports = decode(inputs, **made_from)
    assert answered_again == answered
    assert len(reports) == (1 if sentence is None else 2)
    assert sentence is None or sentence in reports[1]
    assert (tmp_path / "new" / "out.txt").read_text() == "".join(f"{text} {made_from}\n\n" for text in inputs)


def test_an_empty_folder_of_answers_is_removed(decode, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        decode(["a"], stop_at=0)
    assert list((tmp_path / "new").iterdir()) == []


def test_a_target_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(UserError, match="out.txt could not be written: Not a directory"),
        resumable_file(tmp_path / "file" / "out.txt", print),
    ):
        pass


def test_windows_that_another_command_removed_are_an_error(tmp_path):
    with resumable_file(tmp_path / "out.txt", print) as sink:
        sink.take(0, MADE_FROM, lambda: Answered(("a",), ()))
        (tmp_path / "out.txt.unfinished" / "window-00000000.json").unlink()
        with pytest.raises(UserError, match="If another command writes the same file"):
            sink.finish()


def test_a_broken_window_is_an_error(tmp_path):
    (tmp_path / "out.txt.unfinished").mkdir()
    (tmp_path / "out.txt.unfinished" / "window-00000000.json").write_text('{"lines": [')
    with (
        pytest.raises(UserError, match="remove .*out.txt.unfinished and start again"),
        resumable_file(tmp_path / "out.txt", print) as sink,
    ):
        sink.take(0, MADE_FROM, lambda: Answered(("a",), ()))
