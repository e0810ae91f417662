"""t2t-mm-datagen, as a user runs it."""

import gzip
import os

import pytest

from t2t_mm.bin.datagen import parse_options
from t2t_mm.data.vocabulary import Vocabulary
from t2t_mm.errors import UserError
from t2t_mm.fingerprint import fingerprint

PLUGIN = '''
"""A corpus of two columns."""

from t2t_mm.data.sources.parallel_text import ParallelText
from t2t_mm.data.features.text import Text
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
    assert second.stdout == f"translate_tiny: exists already, in {own_home / 'data' / 'translate_tiny'}.\n"


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


def checksums(folder):
    return {path.name: fingerprint(path) for path in sorted(folder.iterdir())}


def test_several_processes_make_the_same_files(datagen, tmp_path):
    flags = ("--problems=translate_tiny", "--num_shards=5")
    one = datagen(*flags, f"--data_dir={tmp_path / 'one'}")
    several = datagen(*flags, f"--data_dir={tmp_path / 'several'}", "--num_concurrent_processes=3")
    assert (one.returncode, several.returncode, several.stderr) == (0, 0, "")
    assert several.stdout == one.stdout
    expected = checksums(tmp_path / "one" / "translate_tiny")
    assert len(expected) == 2 * 6 + 1
    assert checksums(tmp_path / "several" / "translate_tiny") == expected


def test_a_line_that_one_of_several_processes_cannot_read_is_one_sentence_and_nothing_stays(datagen, corpus, tmp_path):
    lines = [line.encode() for line in GERMAN[:25]]
    lines[24] = b"K\xe4fer"
    (corpus / "tiny" / "train.de.gz").write_bytes(gzip.compress(b"\n".join(lines)))
    (tmp_path / "data").mkdir()
    Vocabulary.train(tmp_path / "data" / "vocab.subwords.model", ENGLISH + GERMAN)
    done = datagen("--problems=translate_tiny", f"--data_dir={tmp_path / 'data'}", "--num_concurrent_processes=2")
    assert done.returncode == 1
    assert done.stderr.startswith("t2t-mm-datagen: ") and done.stderr.count("\n") == 1
    assert "train.de.gz, line 25: the byte 0xe4" in done.stderr
    assert os.listdir(tmp_path / "data") == ["vocab.subwords.model"]


def test_part_of_a_corpus_is_made_and_verified(datagen, tmp_path):
    flags = ("--problems=translate_tiny", f"--data_dir={tmp_path / 'data'}")
    done = datagen(*flags, "--max_cases=3", "--num_shards=2", "--verify")
    assert done.returncode == 0, done.stderr
    assert "translate_tiny: train has 3 examples" in done.stdout
    assert done.stdout.endswith("translate_tiny: all 3 files match the checksums in the manifest.\n")
    (shard,) = (tmp_path / "data" / "translate_tiny").glob("dev-*.array_record")
    shard.write_bytes(shard.read_bytes()[:-1])
    done = datagen(*flags, "--verify")
    assert done.returncode == 1 and "dev-00000-of-00001.array_record is not what was written" in done.stderr


def test_datagen_takes_problems_from_inspect():
    assert parse_options(["--inspect=image_cifar10"]).problems == ("image_cifar10",)
    with pytest.raises(UserError, match="--problems is missing. Known: .*image_cifar10"):
        parse_options([])


def test_datagen_takes_a_runner_of_beam_with_options():
    chosen = parse_options(["--problems=image_cifar10"])
    assert (chosen.runner, chosen.beam_options) == ("", ())
    chosen = parse_options(["--problems=image_cifar10", "--runner", "--beam_options=a=1,b", "--beam_options=c=2"])
    assert (chosen.runner, chosen.beam_options) == ("DirectRunner", ("a=1", "b", "c=2"))
    with pytest.raises(UserError, match="--beam_options are for a runner of Apache Beam: add --runner"):
        parse_options(["--problems=image_cifar10", "--beam_options=a=1"])
    with pytest.raises(UserError, match="--num_concurrent_processes does not work with --runner"):
        parse_options(["--problems=image_cifar10", "--runner=X", "--num_concurrent_processes=2"])
