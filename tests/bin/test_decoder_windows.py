from functools import partial

import pytest

from t2t_mm.bin.decoder_answers import Answered
from t2t_mm.bin.decoder_windows import kept, shard_path, share, window_lines, windows_of
from t2t_mm.errors import UserError

MADE_FROM = {"model": "m", "set of options": "o"}


def lines(count):
    return (b"%d" % number for number in range(count))


@pytest.fixture
def decode(tmp_path):
    """Answer windows of two lines each into out.txt, up to a window that fails; returns what was answered, and said."""

    def run(inputs, stop_at=None, **made_from):
        answered, said = [], []

        def write(index):
            if index == stop_at:
                raise KeyboardInterrupt
            answered.append(index)
            return Answered((f"{inputs[index]} {made_from}", ""), (f"line {2 * index + 2}: no",))

        with kept(tmp_path / "new" / "out.txt", said.append) as sink:
            found = [
                sink.take(index, MADE_FROM | {"input": text} | made_from, partial(write, index))
                for index, text in enumerate(inputs)
            ]
            sink.finish()
        assert [one.slips for one in found] == [(f"line {2 * index + 2}: no",) for index in range(len(inputs))]
        return answered, said

    return run


def test_a_file_falls_into_windows_in_order():
    assert list(windows_of(lines(5), 2)) == [(0, [b"0", b"1"]), (1, [b"2", b"3"]), (2, [b"4"])]
    assert list(windows_of(lines(0), 2)) == []
    assert window_lines(1) == 256 and window_lines(100) == 800


@pytest.mark.parametrize("windows, shards", [(10, 3), (2, 5), (0, 2), (7, 1), (8, 4)])
def test_shares_follow_one_another_and_are_even(windows, shards):
    parts = [list(share(windows, shards, shard).of(windows_of(lines(windows), 1))) for shard in range(shards)]
    assert [index for part in parts for index, _ in part] == list(range(windows))
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1


def test_a_shard_is_named_beside_the_whole(tmp_path):
    assert shard_path(tmp_path / "out.txt", 4, 1) == tmp_path / "out.txt-00001-of-00004"
    assert shard_path(tmp_path / "out.txt", 1, 0) == tmp_path / "out.txt"


def test_a_target_is_there_when_it_is_whole_and_nothing_else_is(decode, tmp_path):
    decode(["a", "b"])
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out.txt"]
    assert (tmp_path / "new" / "out.txt").read_text() == "a {}\n\nb {}\n\n"


def test_what_was_answered_before_is_taken_over(decode, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        decode(["a", "b", "c"], stop_at=2)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out.txt.unfinished"]
    answered, said = decode(["a", "b", "c"])
    assert answered == [2]
    assert said == [
        f"{tmp_path}/new/out.txt.unfinished holds answers of a command that was stopped; what fits is kept."
    ]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out.txt"]
    assert (tmp_path / "new" / "out.txt").read_text() == "a {}\n\nb {}\n\nc {}\n\n"


@pytest.mark.parametrize(
    "inputs, made_from, answered, said",
    [
        (["a", "B", "c"], {}, [1, 2], "made from another input;"),
        (["a", "b", "c"], {"model": "n"}, [0, 1, 2], "made from another model;"),
        (["x", "b", "c"], {"set of options": "p"}, [0, 1, 2], "made from another set of options and another input;"),
        (["a"], {}, [], None),
    ],
)
def test_what_was_made_from_something_else_is_made_anew_and_that_is_said(
    decode, tmp_path, inputs, made_from, answered, said
):
    with pytest.raises(KeyboardInterrupt):
        decode(["a", "b", "c"], stop_at=2)
    found, reports = decode(inputs, **made_from)
    assert found == answered
    assert len(reports) == (1 if said is None else 2)
    assert said is None or said in reports[1]
    assert (tmp_path / "new" / "out.txt").read_text() == "".join(f"{text} {made_from}\n\n" for text in inputs)


def test_a_folder_in_which_nothing_was_kept_goes(decode, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        decode(["a"], stop_at=0)
    assert list((tmp_path / "new").iterdir()) == []


def test_a_target_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(UserError, match="out.txt could not be written: Not a directory"),
        kept(tmp_path / "file" / "out.txt", print),
    ):
        pass


def test_windows_that_another_command_took_away_are_said(tmp_path):
    with kept(tmp_path / "out.txt", print) as sink:
        sink.take(0, MADE_FROM, lambda: Answered(("a",), ()))
        (tmp_path / "out.txt.unfinished" / "window-00000000.json").unlink()
        with pytest.raises(UserError, match="If another command writes the same file"):
            sink.finish()


def test_a_window_that_is_broken_is_said(tmp_path):
    (tmp_path / "out.txt.unfinished").mkdir()
    (tmp_path / "out.txt.unfinished" / "window-00000000.json").write_text('{"lines": [')
    with (
        pytest.raises(UserError, match="remove .*out.txt.unfinished and start again"),
        kept(tmp_path / "out.txt", print) as sink,
    ):
        sink.take(0, MADE_FROM, lambda: Answered(("a",), ()))
