"""docs/data.md has a row for every problem, and a whole card for each that is not made up."""

import re
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("name", OURS)
def test_every_problem_has_a_row(name):
    rows = [line.split("|")[1] for line in DOCS.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert any(fnmatchcase(name, written) for row in rows for written in names(row))


@pytest.mark.parametrize("name", [name for name in OURS if not PROBLEMS[name].source.made_on_the_spot])
def test_a_card_has_all_its_parts(name):
    (card,) = [card for written, card in cards() if fnmatchcase(name, written)]
    assert [part for part in PARTS if f"- **{part}.**" in card] == list(PARTS)
    assert "t2t-mm-datagen --problems=" in card
