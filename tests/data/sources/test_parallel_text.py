"""Parallel files in the layout of Multi30k, plain and gzipped."""

import gzip

import pytest

from t2t_mm.data.sources import parallel_text
from t2t_mm.data.sources.parallel_text import ParallelText
from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, TEST, TRAIN

EN_DE = ParallelText("pairs", inputs="en", targets="de")
TEXT = {
    "train.en": "a dog\nI see \u2028 a\u0085 cat \n\n",
    "train.de": "ein Hund\r\nich sehe eine Katze\nleer\n",
    "val.en": "rain",
    "val.de": "Regen",
}


@pytest.fixture
def corpus(tmp_path):
    (tmp_path / "pairs").mkdir()
    for name, text in TEXT.items():
        (tmp_path / "pairs" / name).write_bytes(text.encode())
    return tmp_path


def test_equal_lines_are_pairs_named_by_split_and_line(corpus):
    examples = [(e.id, e.values["inputs"], e.values["targets"]) for e in EN_DE.examples(TRAIN, corpus)]
    assert examples == [
        ("train/1", "a dog", "ein Hund"),
        ("train/2", "I see \u2028 a\u0085 cat", "ich sehe eine Katze"),  # only a line feed ends a line
        ("train/3", "", "leer"),
    ]


def test_lines_are_counted_and_the_first_can_be_passed_over(corpus):
    assert EN_DE.count(TRAIN, corpus) == 3 and EN_DE.count(DEV, corpus) == 1
    every = list(EN_DE.examples(TRAIN, corpus))
    for start in range(5):
        assert list(EN_DE.examples_from(TRAIN, corpus, start)) == every[start:]


def test_reversed_reads_the_same_lines_the_other_way(corpus):
    assert [e.values for e in EN_DE.reversed().examples(DEV, corpus)] == [{"inputs": "Regen", "targets": "rain"}]
    assert EN_DE.reversed().reversed() == EN_DE


def test_gzipped_files_read_as_plain_ones(corpus):
    plain = list(EN_DE.examples(TRAIN, corpus))
    for name in ("train.en", "train.de"):
        path = corpus / "pairs" / name
        path.with_name(f"{name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert list(EN_DE.examples(TRAIN, corpus)) == plain


def test_a_test_part_is_read_where_there_is_one_under_a_name_of_its_own(corpus):
    source = ParallelText("pairs", "en", "de", stems={TRAIN: "train", DEV: "val", TEST: "test_2016"})
    assert source.splits(corpus) == (TRAIN, DEV)
    for language in ("en", "de"):
        (corpus / "pairs" / f"test_2016.{language}").write_text("word\n")
    assert source.splits(corpus) == (TRAIN, DEV, TEST)
    assert [e.id for e in source.examples(TEST, corpus)] == ["test/1"]


def test_of_several_names_of_a_part_the_first_that_is_there_is_read(corpus):
    source = ParallelText("pairs", "en", "de", stems={TRAIN: "train", DEV: ("newstest2013", "dev", "val")})
    assert [e.values["inputs"] for e in source.examples(DEV, corpus)] == ["rain"]
    (corpus / "pairs" / "newstest2013.en.gz").write_bytes(gzip.compress(b"snow\n"))
    with pytest.raises(UserError, match="holds no newstest2013.de or newstest2013.de.gz or dev.de"):
        source.splits(corpus)  # of a part that is begun, the other half is asked for
    (corpus / "pairs" / "newstest2013.de").write_text("Schnee\n")
    assert [e.values["inputs"] for e in source.reversed().examples(DEV, corpus)] == ["Schnee"]


def test_a_missing_file_is_named_with_the_layout_expected(corpus):
    (corpus / "pairs" / "val.de").unlink()
    with pytest.raises(UserError) as refusal:
        EN_DE.splits(corpus)
    assert f"{corpus / 'pairs'} holds no val.de or val.de.gz" in str(refusal.value)
    assert "train.en, train.de, val.en, val.de" in str(refusal.value)


def test_a_missing_folder_is_absent_and_named(tmp_path):
    assert not EN_DE.present(tmp_path)
    with pytest.raises(UserError, match="pairs holds no train.en"):
        EN_DE.splits(tmp_path)


def test_misaligned_files_are_refused_with_their_counts_before_the_first_pair(corpus):
    (corpus / "pairs" / "train.de").write_text("ein Hund\nzwei\nleer\nzuviel")
    with pytest.raises(UserError) as refusal:
        next(EN_DE.examples(TRAIN, corpus))
    assert f"{corpus / 'pairs' / 'train.en'} has 3, {corpus / 'pairs' / 'train.de'} has 4" in str(refusal.value)


def test_bad_utf8_is_refused_with_file_and_line(corpus):
    (corpus / "pairs" / "train.de").write_bytes(b"ein Hund\nK\xe4fer\nleer\n")
    examples = EN_DE.examples(TRAIN, corpus)
    next(examples)
    with pytest.raises(UserError, match=r"train\.de, line 2: the byte 0xe4 at column 2 is not UTF-8"):
        next(examples)


@pytest.mark.parametrize(
    "half",
    [
        lambda complete: complete[:-9],
        lambda complete: b"no gzip at all",
        lambda complete: complete[:10] + b"\x07" + complete[11:],  # a kind of block that deflate does not have
    ],
)
def test_half_a_gzip_file_is_refused(corpus, half):
    complete = gzip.compress(b"ein Hund\n" * 1000)
    (corpus / "pairs" / "train.de").unlink()
    (corpus / "pairs" / "train.de.gz").write_bytes(half(complete))
    with pytest.raises(UserError, match="train.de.gz is not a complete gzip file"):
        next(EN_DE.examples(TRAIN, corpus))


@pytest.mark.parametrize(
    ("content", "lines"), [("", 0), ("a", 1), ("a\n", 1), ("\n\n", 2), ("a\nbb\nc", 3), ("ab\ncd\n", 2)]
)
def test_lines_are_counted_in_blocks_and_again_when_the_file_is_another(tmp_path, monkeypatch, content, lines):
    monkeypatch.setattr(parallel_text, "BLOCK", 2)
    (tmp_path / "pairs").mkdir()
    for name, text in (("train.en", content), ("val.en", "x")):
        (tmp_path / "pairs" / name).write_text(text)
        (tmp_path / "pairs" / name.replace(".en", ".de.gz")).write_bytes(gzip.compress(text.encode()))
    assert EN_DE.count(TRAIN, tmp_path) == lines == len(list(EN_DE.examples(TRAIN, tmp_path)))
    (tmp_path / "pairs" / "train.en").write_text(content + "\nmore")
    with pytest.raises(UserError, match="the same number of lines"):
        EN_DE.count(TRAIN, tmp_path)
