"""Three tiny problems, generated once: a text to copy in capitals, its first letter and its last letter."""

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


class Words(Source):
    """Words of two to six letters, and what `answer` makes of them."""

    def __init__(self, answer):
        self.answer = answer

    def splits(self, tmp_dir: Path) -> tuple[str, ...]:
        return (TRAIN, DEV)

    def examples(self, split: str, tmp_dir: Path) -> Iterator[Example]:
        rng = np.random.default_rng(split == DEV)
        for index in range({TRAIN: 60, DEV: 23}[split]):
            word = "".join(rng.choice(list(LETTERS), size=rng.integers(2, 7)))
            yield Example(f"{split}/{index}", {"inputs": word, "targets": self.answer(word)})

    def present(self, tmp_dir: Path) -> bool:
        return True


class Capitals(Problem):
    source = Words(str.upper)
    inputs = targets = Text("letters")
    command = "to-capitals"


class FirstLetter(Problem):
    source = Words(lambda word: word[0])
    inputs, targets = Text("letters"), Label("letters", names=tuple(LETTERS))
    command = "to-label"
    metrics = ("neg_log_perplexity", "accuracy")


class LastLetter(FirstLetter):
    source = Words(lambda word: word[-1])


@pytest.fixture(scope="session")
def words(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ReadyProblem]:
    folder = tmp_path_factory.mktemp("words")
    problems = {"capitals": Capitals, "first": FirstLetter, "last": LastLetter}
    generate(problems, folder, folder, report=lambda line: None)
    return {name: open_problem(name, problem, folder) for name, problem in problems.items()}
