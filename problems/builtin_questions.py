"""Synthetic texts of who lives where, and questions whose answer is a span of the text.

What: three to five people, each of whom lives, works or was born somewhere, and a question about one of them. A place
    has one to three words, so that an answer is more than a word.
Splits: train 5,000, dev 400; a text is in one of them only, by its hash, so every dev text is new.
Layout: none; no files are needed.
Licence: that of this package.
Ceiling: 100 % exact, because no person occurs twice with the same verb.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from t2t_mm.data.features.question_text import QuestionText
from t2t_mm.data.features.span import Marked, Span
from t2t_mm.data.sources.synthetic import SyntheticSource
from t2t_mm.problem import Problem
from t2t_mm.registry import PROBLEMS

PEOPLE = "Ada Bela Cyril Dora Emil Fanny Gus Hanna Ivo Judith Karl Lena".split()
QUESTIONS = {"lives in": "Where does {} live?", "works in": "Where does {} work?", "was born in": "Where was {} born?"}
BEFORE = ("", "Upper ", "Lower ", "New ", "Old ", "Great Saint ")
PLACES = "Ashford Brin Coldwater Dunmore Elmstead Farrow Greta Hollin Inver Kirk Lanting Marl".split()


class Villages(SyntheticSource):
    """Texts with a question. inputs are (question, text), targets a `Marked`."""

    name = "villages"
    train = 5000
    dev = 400

    def key(self, values: Mapping[str, Any]) -> str:
        return values["targets"].text

    def make(self, rng: np.random.Generator) -> Mapping[str, Any]:
        target = int(rng.integers(count := int(rng.integers(3, 6))))
        text, question = "", ""
        answers: tuple[tuple[str, int], ...] = ()
        for place, name in enumerate(rng.choice(PEOPLE, count, replace=False)):
            verb, village = str(rng.choice(list(QUESTIONS))), f"{rng.choice(BEFORE)}{rng.choice(PLACES)}"
            beginning = f"{name} {verb} "
            if place == target:
                question, answers = QUESTIONS[verb].format(name), ((village, len(text) + len(beginning)),)
            text += f"{beginning}{village}. "
        return {"inputs": (question, text.strip()), "targets": Marked(question, text.strip(), answers)}


@PROBLEMS.register
class QaVillages(Problem):
    """Synthetic texts of who lives where, with a question, to the words that answer it."""

    source = Villages()
    inputs = QuestionText()
    targets = Span()
    command = "to-span"
    metrics = ("neg_log_perplexity", "accuracy", "accuracy_per_sequence")
    ceiling = "all answers exact, 0.00 nats: no person occurs twice with the same verb"
