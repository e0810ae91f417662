"""What the documents name is there, and what a user may set is in the documents."""

import re
from dataclasses import fields
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from t2t_mm.bin.common_flags import parsers
from t2t_mm.bin.problem_names import RUNS
from t2t_mm.hparam_set import DataHparams, TrainingHparams
from t2t_mm.registry import HPARAM_SETS, PROBLEMS

ROOT = Path(__file__).parents[1]
DOCUMENTS = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "benchmarks" / "README.md"])
}
PARSERS = {parser.prog: parser for parser in parsers()}
COMMAND = re.compile(r"(t2t-mm-[a-z-]+)((?:[^`\n\\;|&]|\\\n)*)")  # up to its end, on lines that a backslash joins
OF_AN_EXAMPLE = {"say_number"}  # which README.md registers


def commands(text):
    """The commands in `text`: their names, and what follows on the line."""
    return [found for found in COMMAND.findall(text) if found[0] in PARSERS]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_have_flags_that_they_take(document):
    for name, rest in commands(DOCUMENTS[document]):
        given = set(re.findall(r"(?<![\w-])--\w+", rest))
        assert given <= set(PARSERS[name].flags()), name + rest


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_name_problems_and_hparam_sets_that_are_registered(document):
    for name, rest in commands(DOCUMENTS[document]):
        for problem in re.findall(r"[\w*]+", " ".join(re.findall(r"--problems?='?([\w*,-]+)", rest))):
            assert problem in (RUNS.keys() | OF_AN_EXAMPLE) or any(fnmatchcase(one, problem) for one in PROBLEMS), rest
        for hparam_set in re.findall(r"--hparams_set=(\w+)", rest):
            assert hparam_set in HPARAM_SETS, name + rest


@pytest.mark.parametrize("command", PARSERS)
def test_every_flag_of_a_command_is_explained_somewhere(command):
    told = set(re.findall(r"--\w+", "".join(DOCUMENTS.values())))
    flags_of = [action.option_strings for action in PARSERS[command]._actions if action.option_strings]
    assert not [names[0] for names in flags_of if not names[0].startswith("--no") and not told & set(names)]


@pytest.mark.parametrize("record", [TrainingHparams, DataHparams])
def test_every_hparam_of_training_and_data_is_explained_somewhere(record):
    told = set(re.findall(r"\w+", "".join(DOCUMENTS.values())))
    assert not {field.name for field in fields(record)} - told


@pytest.mark.parametrize("document", DOCUMENTS)
def test_tests_that_a_document_names_exist(document):
    named = re.findall(r"(?:tests/)?([\w/]*\btest_\w+\.py)", DOCUMENTS[document])
    assert not [path for path in named if not (ROOT / "tests" / path).is_file()]
