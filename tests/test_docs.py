"""Documents name only things that exist, and explain everything that a user may set."""

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
COMMAND = re.compile(r"(t2t-mm-[a-z-]+)((?:[^`\n\\;|&]|\\\n)*)")  # a backslash continues a line
OF_AN_EXAMPLE = {"say_number"}  # README.md registers it


def commands():
    """Yield (document, command, rest of its line) of each command in the documents."""
    for document, text in DOCUMENTS.items():
        for name, rest in COMMAND.findall(text):
            if name in PARSERS:
                yield document, name, rest


def test_commands_have_flags_that_they_take():
    wrong = []
    for document, name, rest in commands():
        unknown = set(re.findall(r"(?<![\w-])--\w+", rest)) - set(PARSERS[name].flags())
        wrong += [f"{document}: {name} {flag}" for flag in sorted(unknown)]
    assert not wrong


def test_commands_name_problems_and_hparam_sets_that_are_registered():
    unknown = []
    for document, _, rest in commands():
        for problem in re.findall(r"[\w*]+", " ".join(re.findall(r"--problems?='?([\w*,-]+)", rest))):
            if problem not in RUNS.keys() | OF_AN_EXAMPLE and not any(fnmatchcase(one, problem) for one in PROBLEMS):
                unknown.append(f"{document}: {problem}")
        for hparam_set in re.findall(r"--hparams_set=(\w+)", rest):
            if hparam_set not in HPARAM_SETS:
                unknown.append(f"{document}: {hparam_set}")
    assert not unknown


@pytest.mark.parametrize("command", PARSERS)
def test_every_flag_of_a_command_is_explained_somewhere(command):
    explained = set(re.findall(r"--\w+", "".join(DOCUMENTS.values())))
    flags_of = [action.option_strings for action in PARSERS[command]._actions if action.option_strings]
    assert not [names[0] for names in flags_of if not names[0].startswith("--no") and not explained & set(names)]


@pytest.mark.parametrize(("section", "record"), [("Training", TrainingHparams), ("Data", DataHparams)])
def test_the_reference_table_has_a_row_for_each_hparam_with_its_type_and_default(section, record):
    rows = table_rows(DOCUMENTS["docs/hparams.md"], section)
    assert [row[:3] for row in rows] == [
        (f"`{field.name}`", getattr(field.type, "__name__", field.type), default_text(field.default))
        for field in fields(record)
    ]
    assert not [row[0] for row in rows if len(row) != 4 or not row[3]]


def table_rows(text, section):
    """Return the rows of the table below the heading `## section`, each a tuple of its cells, without the head."""
    below = text.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split(" | ") for line in below.splitlines() if line.startswith("| ")]
    return [tuple(cell.strip() for cell in row) for row in rows[1:]]


def default_text(value):
    """Return a default as the table shows it: as --hparams takes it, or "(empty)" for no text."""
    return str(value).lower() if isinstance(value, bool) else str(value) or "(empty)"


def test_tests_that_a_document_names_exist():
    missing = []
    for document, text in DOCUMENTS.items():
        named = re.findall(r"(?:tests/)?([\w/]*\btest_\w+\.py)", text)
        missing += [f"{document}: {path}" for path in named if not (ROOT / "tests" / path).is_file()]
    assert not missing


def test_links_lead_to_documents_and_headings_that_exist():
    broken = []
    for document, text in DOCUMENTS.items():
        for path, anchor in re.findall(r"\]\(([\w./-]*\.md)?(?:#([\w-]+))?\)", text):
            target = str((ROOT / document).parent.joinpath(path).resolve().relative_to(ROOT)) if path else document
            if not (ROOT / target).exists() or (anchor and anchor not in anchors(DOCUMENTS[target])):
                broken.append(f"{document}: {path}#{anchor}")
    assert not broken


def anchors(text):
    """Return the anchors of the headings of a document, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


SOURCE_PATH = re.compile(
    r"(?<![\w./<{-])((?:bin|hparams|problems|benchmarks|t2t_mm|tests|docs|train|data|layers|models"
    r"|modalities|decoding|evaluation|metrics|run_tools)/[\w./-]*\.(?:py|md))"
)


def test_source_files_that_a_document_names_exist():
    missing = [
        f"{document}: {path}"
        for document, text in DOCUMENTS.items()
        for path in SOURCE_PATH.findall(text)
        if not any((base / path).is_file() for base in (ROOT, ROOT / "t2t_mm", ROOT / "tests"))
    ]
    assert not missing
