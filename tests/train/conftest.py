"""Three tiny problems, generated once: letters to write as capitals, the first of them and the last of them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from t2t_mm.data.generate import generate
from t2t_mm.data.label import Label
from t2t_mm.data.ready import ReadyProblem, open_problem
from t2t_mm.data.text import Text
from t2t_mm.problem import DEV, TRAIN, Example, Problem, Source

LETTERS = "abcd"


class Letters(Source):
    """Two to six letters, a word each, and what `answer` makes of them."""

    def __init__(self, answer):
        self.answer = answer

    def splits(self, tmp_dir: Path) -> tuple[str, ...]:
        return (TRAIN, DEV)

    def examples(self, split: str, tmp_dir: Path) -> Iterator[Example]:
        rng = np.random.default_rng(split == DEV)
        for index in range({TRAIN: 200, DEV: 23}[split]):
            text = " ".join(rng.choice(list(LETTERS), size=rng.integers(2, 7)))
            yield Example(f"{split}/{index}", {"inputs": text, "targets": self.answer(text)})

    def present(self, tmp_dir: Path) -> bool:
        return True


class Capitals(Problem):
    source = Letters(str.upper)
    inputs = targets = Text("letters")
    command = "to-capitals"


class FirstLetter(Problem):
    source = Letters(lambda text: text[0])
    inputs, targets = Text("letters"), Label("letters", names=tuple(LETTERS))
    command = "to-label"
    metrics = ("neg_log_perplexity", "accuracy")


class LastLetter(FirstLetter):
    source = Letters(lambda text: text[-1])


@pytest.fixture(scope="session")
def letters(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ReadyProblem]:
    folder = tmp_path_factory.mktemp("letters")
    problems = {"capitals": Capitals, "first": FirstLetter, "last": LastLetter}
    generate(problems, folder, folder, report=lambda line: None)
    return {name: open_problem(name, problem, folder) for name, problem in problems.items()}
