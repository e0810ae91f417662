"""docs/data.md has a row for every problem, and a complete card for each that is not synthetic."""

import re
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path

from t2t_mm.data.sources.synthetic import SyntheticSource
from t2t_mm.registry import PROBLEMS

DOCS = Path(__file__).parents[2] / "docs" / "data.md"
OURS = [name for name in PROBLEMS if PROBLEMS.address(name).startswith("t2t_mm.problems.")]
PARTS = ("What", "Splits", "Size", "Licence", "Layout", "Command", "Quirks")


def names(text):
    """The names in backticks, with every choice in braces made."""
    for written in re.findall(r"`([\w{},*]+)`", text):
        parts = [part.strip("{}").split(",") for part in re.findall(r"\{[^}]*\}|[^{}]+", written)]
        yield from map("".join, product(*parts))


def cards():
    """The cards by the problems that their heads name."""
    for card in re.split(r"^### ", DOCS.read_text(encoding="utf-8"), flags=re.M)[1:]:
        head, _, body = card.partition("\n")
        for name in names(head):
            yield name, re.split(r"^## ", body, flags=re.M)[0]


def test_every_problem_has_a_row():
    rows = [line.split("|")[1] for line in DOCS.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    patterns = [written for row in rows for written in names(row)]
    assert not [name for name in OURS if not any(fnmatchcase(name, pattern) for pattern in patterns)]


def test_every_corpus_has_one_card_with_all_its_parts():
    corpora = [name for name in OURS if not isinstance(PROBLEMS[name].source, SyntheticSource)]
    of_problems = {name: [card for written, card in cards() if fnmatchcase(name, written)] for name in corpora}
    assert not [name for name, actual in of_problems.items() if len(actual) != 1]
    incomplete = []
    for name, (card,) in of_problems.items():
        if [part for part in PARTS if f"- **{part}.**" in card] != list(
            PARTS
        ) or "t2t-mm-datagen --problems=" not in card:
            incomplete.append(name)
    assert not incomplete
