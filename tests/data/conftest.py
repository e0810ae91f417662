"""Fixtures: problems made of the examples that a test gives."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from t2t_mm.data.datagen.generate import generate
from t2t_mm.data.features.text import Text
from t2t_mm.data.input.generated_problem import GeneratedProblem, open_problem
from t2t_mm.problem import Example, Problem, Source

Rows = Mapping[str, Sequence[tuple[Any, Any]]]  # (inputs, targets) by split
MakeProblem = Callable[..., type[Problem]]
MakeReady = Callable[..., GeneratedProblem]


class Given(Source):
    """The examples it is given."""

    def __init__(self, rows: Rows, classes: tuple[str, ...] = ()) -> None:
        self.rows, self.known = rows, classes
        self.reads: list[str] = []  # splits, as often as they were read

    def splits(self, tmp_dir: Path) -> tuple[str, ...]:
        return tuple(self.rows)

    def count(self, split: str, tmp_dir: Path) -> int:
        return len(self.rows[split])

    def examples(self, split: str, tmp_dir: Path) -> Iterator[Example]:
        self.reads.append(split)
        for index, (inputs, targets) in enumerate(self.rows[split]):
            yield Example(f"{split}/{index}", {"inputs": inputs, "targets": targets})

    def present(self, tmp_dir: Path) -> bool:
        return True

    def classes(self, tmp_dir: Path) -> tuple[str, ...]:
        return self.known


@pytest.fixture
def make_problem() -> MakeProblem:
    """A problem class of given rows: text to text unless features are given."""

    def make(rows: Rows, **attributes: Any) -> type[Problem]:
        return type("Made", (Problem,), {"source": Given(rows), "inputs": Text(), "targets": Text(), **attributes})

    return make


@pytest.fixture
def make_ready(tmp_path: Path, make_problem: MakeProblem) -> MakeReady:
    """The same, generated in tmp_path/data and opened."""

    def make(rows: Rows, name: str = "made", **features: Any) -> GeneratedProblem:
        problem = make_problem(rows, **features)
        generate({name: problem}, tmp_path / "data", tmp_path, report=lambda line: None)
        return open_problem(name, problem, tmp_path / "data")

    return make
