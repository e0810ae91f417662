"""Three tiny problems, generated once: letters to write as capitals, the first of them and the last of them.

And small runs of one of them, by the smallest body, which take their steps operation by operation.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from t2t_mm.data.datagen.generate import generate
from t2t_mm.data.features.label import Label
from t2t_mm.data.features.text import Text
from t2t_mm.data.input.generated_problem import GeneratedProblem, open_problem
from t2t_mm.problem import DEV, TRAIN, Example, Problem, Source
from t2t_mm.registry import HPARAM_SETS, MODELS
from t2t_mm.run_config import RunConfig

LETTERS = "abcd"
CHANGES = "batch_size=64,buckets=2,learning_rate_schedule=constant,learning_rate=0.01,learning_rate_warmup_steps=0"


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


def quiet_config(folder: Path, **fields: Any) -> RunConfig:
    """Return the configuration of a run in `folder` that neither saves by the clock nor evaluates on the way."""
    quiet = {"save_checkpoints_secs": 0, "local_eval_frequency": 0, "summaries": False}
    return RunConfig(output_dir=folder, **{**quiet, **fields})


@pytest.fixture(scope="session")
def letters(tmp_path_factory: pytest.TempPathFactory) -> dict[str, GeneratedProblem]:
    folder = tmp_path_factory.mktemp("letters")
    problems = {"capitals": Capitals, "first": FirstLetter, "last": LastLetter}
    generate(problems, folder, folder, report=lambda line: None)
    return {name: open_problem(name, problem, folder) for name, problem in problems.items()}


@pytest.fixture(scope="module")
def data(letters: dict[str, GeneratedProblem]) -> Path:
    """Where the letters lie."""
    return letters["first"].folder.parent


@pytest.fixture(scope="module")
def together(request, data, tmp_path_factory):
    """The folder of an undisturbed run of the two workers that the module's `both_train` starts, of its `data`."""
    folder = tmp_path_factory.mktemp("together")
    codes, printed = request.module.both_train(data, folder)
    assert codes == [0, 0], printed
    return folder


@pytest.fixture
def eagerly():
    """As `eager`, for one test."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def eager():
    """Steps computed operation by operation: a few of them take less time than a compilation."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def trainer(letters):
    """Make a trainer of "first" in a folder, with changed hparams and RunConfig fields."""
    from small_body import SmallHparams

    from t2t_mm.train.trainer import Trainer

    demo = replace(HPARAM_SETS["multimodel_demo"](), model="small", body=SmallHparams()).override(CHANGES)

    def make(folder, changes="", *, report=print, ready=letters["first"], **fields):
        config = quiet_config(folder, **{"random_seed": 3, "train_steps": 8, **fields})
        return Trainer({"first": ready}, demo.override(changes), config, report=report)

    MODELS.declare("small", "small_body:SmallBody")
    yield make
    del MODELS._address["small"]
    MODELS._items.pop("small", None)
