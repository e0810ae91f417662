"""Running text in passages: the Treebank's files by words and by characters, and text8's one file."""

import gzip
import zipfile

import pytest

from t2t_mm.data.sources.running_text import LineFiles, OneFile
from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, TEST, TRAIN

WORDS = LineFiles(5, folder="ptb", stem="ptb", homepage="example.org")
SPACED = LineFiles(5, folder="ptb", stem="ptb.char", spaced=True)
ONE = OneFile(4, name="text8", homepage="example.org")


def stretches(source, split, tmp_path):
    return [(e.id, e.values["targets"]) for e in source.examples(split, tmp_path)]


@pytest.fixture
def ptb(tmp_path):
    (tmp_path / "ptb").mkdir()
    (tmp_path / "ptb" / "ptb.train.txt").write_text(" a cat \n <unk> N \n")
    (tmp_path / "ptb" / "ptb.valid.txt.gz").write_bytes(gzip.compress(b" a dog ran \n"))
    (tmp_path / "ptb" / "ptb.char.train.txt").write_text("a _ c a t\n< u n k > _ N\n")
    (tmp_path / "ptb" / "ptb.char.valid.txt").write_text("a _ d o g _ r a n\n")
    return tmp_path


@pytest.mark.parametrize("source", [WORDS, SPACED])
def test_lines_are_one_text_whose_line_feeds_count(source, ptb):
    assert source.present(ptb) and source.splits(ptb) == (TRAIN, DEV)
    assert stretches(source, TRAIN, ptb) == [("train/0", "a cat"), ("train/1", "\n<unk")]  # "> N\n" is left over
    assert stretches(source, DEV, ptb) == [("dev/0", "a dog"), ("dev/1", " ran\n")]
    assert source.count(TRAIN, ptb) == 2
    assert [e.values["targets"] for e in source.examples_from(TRAIN, ptb, 1)] == ["\n<unk"]


def test_a_test_file_is_a_split_where_there_is_one(ptb):
    (ptb / "ptb" / "ptb.test.txt").write_text("tests\n")
    assert WORDS.splits(ptb) == (TRAIN, DEV, TEST)
    assert stretches(WORDS, TEST, ptb) == [("test/0", "tests")]


def test_missing_lines_are_told_by_name_and_broken_ones_by_number(ptb):
    (ptb / "ptb" / "ptb.train.txt").write_bytes(b"fine\nna\xefve\n")
    with pytest.raises(UserError, match="ptb.train.txt, line 2: the byte 0xef is not ASCII"):
        stretches(WORDS, TRAIN, ptb)
    (ptb / "ptb" / "ptb.valid.txt.gz").write_bytes(gzip.compress(b"a dog ran " * 50)[:-12])
    with pytest.raises(UserError, match="ptb.valid.txt.gz is not a complete gzip file"):
        stretches(WORDS, DEV, ptb)
    (ptb / "ptb" / "ptb.valid.txt.gz").unlink()
    with pytest.raises(UserError, match="holds no ptb.valid.txt, plain or .gz. Get it from example.org"):
        WORDS.splits(ptb)


TEXT = "".join(chr(ord("a") + n % 26) for n in range(100))


@pytest.fixture(params=["text8", "text8.zip", "text8/text8", "text8/text8.zip"])
def text8(request, tmp_path):
    path = tmp_path / request.param
    path.parent.mkdir(exist_ok=True)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("text8", TEXT)
    else:
        path.write_text(TEXT)
    return tmp_path


def test_one_file_is_cut_at_90_and_95_percent(text8):
    assert ONE.present(text8) and ONE.splits(text8) == (TRAIN, DEV, TEST)
    actual = {split: stretches(ONE, split, text8) for split in (TRAIN, DEV, TEST)}
    assert "".join(text for _, text in actual[TRAIN]) == TEXT[:88]  # 22 of 90 characters, two are left over
    assert actual[DEV] == [("dev/0", TEXT[90:94])] and actual[TEST] == [("test/0", TEXT[95:99])]
    assert [ONE.count(split, text8) for split in actual] == [22, 1, 1]
    assert [e.id for e in ONE.examples_from(TRAIN, text8, 20)] == ["train/20", "train/21"]
    assert next(ONE.examples_from(TRAIN, text8, 20)).values["targets"] == TEXT[80:84]


def test_a_missing_file_and_a_zip_of_something_else_are_told(tmp_path):
    with pytest.raises(UserError, match="holds no text8, text8.zip or a folder text8 with either. Get it from"):
        ONE.splits(tmp_path)
    with zipfile.ZipFile(tmp_path / "text8.zip", "w") as archive:
        archive.writestr("enwik8", TEXT)
    with pytest.raises(UserError, match="text8.zip holds no text8; found: enwik8"):
        stretches(ONE, TRAIN, tmp_path)
    (tmp_path / "text8.zip").write_bytes(b"no zip")
    with pytest.raises(UserError, match="text8.zip is not a complete zip file"):
        stretches(ONE, TRAIN, tmp_path)
