"""Raw text in lines: pairs of sentences, and words out of order."""

import gzip

import pytest

from t2t_mm.data.sources import sentence_files
from t2t_mm.data.sources.sentence_files import SentenceFiles, SwappedWords
from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, TRAIN

NAMES = {TRAIN: "train.txt", DEV: "dev.txt"}
LINES = [f"line number {number} of all" for number in range(1, 101)]


def write(folder, lines=LINES):
    (folder / "text").mkdir()
    (folder / "text" / "train.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with gzip.open(folder / "text" / "dev.txt.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join(lines[:10]))


def pairs(folder, lines=LINES):
    write(folder, lines)
    return {one.id: one.values["inputs"] for one in SentenceFiles("text", NAMES).examples(TRAIN, folder)}


@pytest.mark.parametrize("block", [4096, 10])
def test_half_of_the_seconds_are_the_next_and_the_rest_are_others(tmp_path, monkeypatch, block):
    monkeypatch.setattr(sentence_files, "BLOCK", block)
    actual = pairs(tmp_path)
    assert list(actual) == [f"train/{number}" for number in range(1, 100)]
    for number, pair in enumerate(actual.values()):
        assert pair.first == LINES[number]
        assert (pair.second == LINES[number + 1]) == pair.follows and pair.second != pair.first
    assert 35 <= sum(pair.follows for pair in actual.values()) <= 64


def test_no_pair_goes_over_an_empty_line(tmp_path):
    assert list(pairs(tmp_path, ["a", "b", "", "c", "d", "e"])) == ["train/1", "train/4", "train/5"]


def test_two_lines_alone_follow_each_other(tmp_path):
    [pair] = pairs(tmp_path, ["a", "b"]).values()
    assert pair == ("a", "b", True)


def test_inputs_and_targets_are_the_same_pair_and_come_again(tmp_path):
    write(tmp_path)
    source = SentenceFiles("text", NAMES)
    actual = list(source.examples(DEV, tmp_path))
    assert len(actual) == 9 and actual == list(source.examples(DEV, tmp_path))
    assert all(one.values["inputs"] == one.values["targets"] for one in actual)
    assert source.splits(tmp_path) == (TRAIN, DEV) and source.present(tmp_path)


def test_swapped_words_are_two_neighbours(tmp_path):
    write(tmp_path)
    actual = list(SwappedWords("text", NAMES).examples(TRAIN, tmp_path))
    assert len(actual) == 100
    for line, one in zip(LINES, actual, strict=True):
        moved = [a != b for a, b in zip(line.split(), one.values["inputs"].split(), strict=True)]
        if one.values["targets"] == "kept":
            assert not any(moved)
        else:
            at = moved.index(True)
            assert sum(moved) == 2 and moved[at + 1]
    assert 35 <= sum(one.values["targets"] == "swapped" for one in actual) <= 65


def test_a_line_whose_words_are_equal_has_no_order(tmp_path):
    write(tmp_path, ["a a a", "b", "a b"])
    assert [one.id for one in SwappedWords("text", NAMES).examples(TRAIN, tmp_path)] == ["train/3"]


def test_a_file_that_is_missing_is_named(tmp_path):
    source = SentenceFiles("text", NAMES, "example.org")
    assert not source.present(tmp_path)
    with pytest.raises(UserError, match=r"text holds no train\.txt, plain or \.gz.*example\.org"):
        source.splits(tmp_path)


def test_a_line_that_is_no_text_is_named(tmp_path):
    write(tmp_path)
    (tmp_path / "text" / "train.txt").write_bytes(b"a\nb\xff\n")
    with pytest.raises(UserError, match=r"train\.txt, line 2: the byte 0xff is not UTF-8"):
        list(SentenceFiles("text", NAMES).examples(TRAIN, tmp_path))
