"""Synthetic sentences of a small English grammar, and their parse trees.

What: sentences of 3 to 14 words drawn from the grammar below, and their trees in the style of the Penn Treebank.
Splits: train 5,000, dev 400; a sentence is in one of them only, by its hash, so every dev sentence is new.
Layout: none; no files are needed.
Licence: that of this package.
Ceiling: 100 % of trees exact, since no sentence has two trees. What is ambiguous in English is decided by words: "of"
    and "with" belong to the noun before them, "in", "near" and "behind" to the verb; "that" begins a relative clause
    after a noun and a complement after a verb; sentences are joined at the top only, and a verb with a complement has
    no place adverbial of its own. Tags still need their context: "that" is IN or WDT, "her" is PRP or PRP$, "walk" and
    "watch" are nouns or verbs.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from t2t_mm.data.features.brackets import Node
from t2t_mm.data.features.text import Text
from t2t_mm.data.features.tree import Tree
from t2t_mm.data.sources.synthetic import SyntheticSource
from t2t_mm.problem import Problem
from t2t_mm.registry import PROBLEMS

LONGEST = 14  # words

# The expansions of each symbol: (weight, symbols). The part before the slash is the label in the tree.
GRAMMAR: dict[str, tuple[tuple[float, str], ...]] = {
    "S/top": ((7, "NP/subject VP/main ./end"), (1, "S/part CC/and S/part ./end")),
    "S/part": ((1, "NP/subject VP/main"),),
    "NP/subject": ((6, "NP/simple"), (2, "NP/full SBAR/relative"), (2, "PRP/subject")),
    "NP/object": ((6, "NP/simple"), (1, "PRP/object")),
    "NP/simple": ((4, "NP/full"), (1, "NP/full PP/noun")),
    "NP/full": ((4, "DT NN"), (3, "DT JJ NN"), (2, "DT NNS"), (1, "DT JJ NNS"), (2, "PRP$ NN"), (2, "NNP")),
    "PP/noun": ((1, "IN/noun NP/full"),),
    "PP/verb": ((1, "IN/verb NP/full"),),
    "SBAR/relative": ((1, "WHNP/that S/relative"),),
    "WHNP/that": ((1, "WDT"),),
    "S/relative": ((1, "VP/relative"),),
    "VP/relative": ((3, "VBD/other NP/object"), (1, "VBD/alone PP/verb")),
    "SBAR/complement": ((1, "IN/that S/part"),),
    "VP/main": (
        (2, "VBD/alone"),
        (2, "VBD/alone PP/verb"),
        (4, "VBD/other NP/object"),
        (2, "VBD/other NP/object PP/verb"),
        (2, "VBD/say SBAR/complement"),
        (3, "MD VP/infinitive"),
    ),
    "VP/infinitive": (
        (1, "VB/alone"),
        (1, "VB/alone PP/verb"),
        (2, "VB/other NP/object"),
        (1, "VB/other NP/object PP/verb"),
    ),
}
WORDS: dict[str, str] = {
    "DT": "the a some this",
    "NN": "dog cat man girl bird king house tree boat river walk watch",
    "NNS": "dogs cats men girls birds boats walks",
    "NNP": "Ada Tom Lima Nora",
    "JJ": "old red small happy cold quiet",
    "PRP/subject": "she he they",
    "PRP/object": "her him them",
    "PRP$": "her his their",
    "VBD/alone": "slept sang waited fell",
    "VBD/other": "saw found carried painted watched",
    "VBD/say": "said thought knew",
    "VB/alone": "sleep sing wait walk",
    "VB/other": "see find carry paint watch",
    "MD": "will can must",
    "IN/noun": "of with",
    "IN/verb": "in near behind",
    "IN/that": "that",
    "WDT": "that",
    "CC/and": "and but",
    "./end": ". !",
}


class Grammar(SyntheticSource):
    """Sentences, with words joined by blanks, and their trees on one line."""

    name = "grammar"
    train = 5000
    dev = 400

    def key(self, values: Mapping[str, Any]) -> str:
        return values["inputs"]

    def make(self, rng: np.random.Generator) -> Mapping[str, Any]:
        while True:
            tree = _grow("S/top", rng)
            if len(tree.words) <= LONGEST:
                return {"inputs": " ".join(tree.words), "targets": str(tree)}


def _grow(symbol: str, rng: np.random.Generator) -> Node:
    label = symbol.split("/")[0]
    if symbol in WORDS:
        return Node(label, word=str(rng.choice(WORDS[symbol].split())))
    weights = np.array([weight for weight, _ in GRAMMAR[symbol]])
    children = GRAMMAR[symbol][rng.choice(len(weights), p=weights / weights.sum())][1].split()
    grown = tuple(_grow(child, rng) for child in children)
    if len(grown) == 1 and grown[0].label == label:  # a symbol for a choice, not a constituent of its own
        return grown[0]
    return Node(label, grown)


@PROBLEMS.register
class ParsingGrammar(Problem):
    """Synthetic English sentences to parse trees, each with one right answer."""

    source = Grammar()
    inputs = Text("builtin")
    targets = Tree("builtin")
    command = "to-parse"
    decoded_metrics = ("bracket_f1", "bracket_f1_right_tags", "exact_match", "well_formed")
    ceiling = "all trees exact, 0.00 nats: no sentence of the grammar has two trees"
