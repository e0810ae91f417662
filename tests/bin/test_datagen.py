"""t2t-mm-datagen, as a user runs it."""

import gzip
import os

import pytest

PLUGIN = '''
"""A corpus of two columns."""

from t2t_mm.data.sources.parallel_text import ParallelText
from t2t_mm.data.text import Text
from t2t_mm.problem import DEV, TRAIN, Problem
from t2t_mm.registry import PROBLEMS


@PROBLEMS.register
class TranslateTiny(Problem):
    """English to German, a few lines."""

    source = ParallelText("tiny", inputs="en", targets="de", stems={TRAIN: "train", DEV: "val"})
    inputs = targets = Text()
    command = "to-german"
'''
ENGLISH = [f"a dog sees {number} cats" for number in range(30)]
GERMAN = [f"ein Hund sieht {number} Katzen" for number in range(30)]


@pytest.fixture
def corpus(tmp_path):
    (tmp_path / "plugin").mkdir()
    (tmp_path / "plugin" / "__init__.py").write_text(PLUGIN)
    (tmp_path / "corpora" / "tiny").mkdir(parents=True)
    for stem, part in (("train", slice(0, 25)), ("val", slice(25, 30))):
        for language, lines in (("en", ENGLISH), ("de", GERMAN)):
            with gzip.open(tmp_path / "corpora" / "tiny" / f"{stem}.{language}.gz", "wt", encoding="utf-8") as file:
                file.write("".join(f"{line}\n" for line in lines[part]))
    return tmp_path / "corpora"


@pytest.fixture
def datagen(command, corpus, tmp_path):
    def run(*flags):
        return command("datagen", f"--t2t_usr_dir={tmp_path / 'plugin'}", f"--tmp_dir={corpus}", *flags)

    return run


def test_a_corpus_becomes_records_and_is_inspected(datagen, tmp_path):
    done = datagen("--problems=translate_tiny", f"--data_dir={tmp_path / 'data'}", "--inspect=translate_tiny")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("vocab.subwords.model: made from 50 lines of translate_tiny")
    assert lines[1].startswith("translate_tiny: train has 25 examples; inputs of ")
    assert lines[2].startswith("translate_tiny: dev has 5 examples; inputs of ")
    assert [line.partition(": ")[2] for line in lines[4:12:3]] == ENGLISH[25:30:2]
    assert [line.partition(": ")[2] for line in lines[5:12:3]] == GERMAN[25:30:2]
    assert sorted(os.listdir(tmp_path / "data")) == ["translate_tiny", "vocab.subwords.model"]


def test_a_second_call_makes_nothing_again(datagen, tmp_path, own_home):
    flags = ("--problem=translate_tiny",)
    first, second = datagen(*flags), datagen(*flags)
    assert first.returncode == second.returncode == 0
    assert str(own_home / "data") in first.stderr  # the command says where the data went
    assert second.stdout == f"translate_tiny: is there already, in {own_home / 'data' / 'translate_tiny'}.\n"


def test_a_missing_half_of_a_corpus_is_one_sentence_and_nothing_is_written(datagen, corpus, tmp_path):
    (corpus / "tiny" / "val.de.gz").unlink()
    done = datagen("--problems=translate_tiny", f"--data_dir={tmp_path / 'data'}")
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("t2t-mm-datagen: ") and done.stderr.count("\n") == 1
    assert str(corpus / "tiny") in done.stderr and "val" in done.stderr
    assert not (tmp_path / "data").exists()


def test_an_unknown_problem_is_refused_with_the_nearest(datagen):
    done = datagen("--problems=translate_tiney")
    assert done.returncode == 1
    assert "No problem is named 'translate_tiney'. Did you mean 'translate_tiny'?" in done.stderr


def test_a_data_dir_that_cannot_be_written_is_one_sentence(datagen, tmp_path):
    (tmp_path / "data").write_text("a file")
    done = datagen("--problems=translate_tiny", f"--data_dir={tmp_path / 'data'}")
    assert done.returncode == 1
    assert done.stderr.startswith("t2t-mm-datagen: ") and str(tmp_path / "data") in done.stderr
    assert "Traceback" not in done.stderr
