"""Labelled bracket F1 by the rules of EVALB with its COLLINS.prm (Sekine and Collins 1997, after Collins 1997).

A bracket is a constituent's label over the words from one place to another. What is not counted:

- words with a tag of DELETED, and the brackets that hold no other word; a word is told by the tag that *its* tree
  gives it, so an output that tags a comma NN has one word more than the right tree;
- brackets labelled TOP; function tags (`NP-SBJ-1` is NP); a word's tag itself.

ADVP and PRT are one label. Brackets that a tree has twice count twice. A sentence is skipped, as EVALB skips it, when
the output has no words left, is no tree, or when words differ in number or in themselves. Unlike EVALB, which stops
after ten such sentences, this goes on and says how many they were.

A model that tags punctuation badly is judged on few sentences that way, or on none. `bracket_f1_right_tags` gives the
output's words the tags of the right tree first, as for parsers that write no tags: then all sentences count.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from t2t_mm.metrics.on_text.base import POINTS, Case, Counted, TextMetric
from t2t_mm.registry import DECODED_METRICS

DELETED = frozenset(["TOP", "-NONE-", ",", ":", "``", "''", "."])
ALIKE = {"PRT": "ADVP"}
TOKEN = re.compile(r"\(\s*(?P<label>[^\s()]*)(?:\s+(?P<word>[^\s()]+)\s*(?P<end>\)))?|\)|[^\s()]+")


@DECODED_METRICS.register(name="bracket_f1")
class BracketF1(TextMetric):
    """Labelled bracket F1, 0 to 100, by EVALB's rules (COLLINS.prm), which skip sentences of unequal length."""

    head = "bracket F1"
    style = POINTS

    def count(self, cases: Sequence[Case]) -> Counted:
        """Right, right tree's and output's brackets, and whether the sentence counted, which zeros say it did not."""
        sums_NK = np.array([_counted(case) for case in cases], np.float64).reshape(-1, 4)
        right, gold, found, valid = (int(total) for total in sums_NK.sum(axis=0))
        precision, recall = (f"{100 * right / total:.2f}" if total else "-" for total in (found, gold))
        how = (
            f"EVALB, COLLINS.prm: precision {precision}, recall {recall}; "
            f"{len(cases) - valid:,} of {len(cases):,} sentences skipped"
        )
        return Counted(sums_NK, how)

    def finish(self, sums_K: np.ndarray) -> float:
        return _f1(sums_K)


@DECODED_METRICS.register(name="bracket_f1_right_tags")
class BracketF1RightTags(TextMetric):
    """Labelled bracket F1, 0 to 100, once the output's words have the right tree's tags, so that none is skipped."""

    head = "bracket F1, right tags"
    style = POINTS

    def count(self, cases: Sequence[Case]) -> Counted:
        """As `BracketF1`, but that a sentence without a tree over the right words has no right bracket."""
        sums_NK = np.array([_counted(case, right_tags=True) for case in cases], np.float64).reshape(-1, 4)
        how = "as bracket F1, words told by the right tree's tags in both trees; an output that is no tree is all wrong"
        return Counted(sums_NK, how)

    def finish(self, sums_K: np.ndarray) -> float:
        return _f1(sums_K)


Bracket = tuple[str, int, int]  # label, first leaf, first leaf behind it


@dataclass(frozen=True)
class Tree:
    """A tree taken apart."""

    tags: tuple[str, ...]
    words: tuple[str, ...]
    brackets: tuple[Bracket, ...]

    def kept(self, tags: Sequence[str]) -> tuple[list[str], list[Bracket]]:
        """The words and brackets that count where the leaves have `tags`; places are counted in these words."""
        place = [0]  # of each leaf among the words that count
        for tag in tags:
            place.append(place[-1] + (tag not in DELETED))
        words = [word for tag, word in zip(tags, self.words, strict=True) if tag not in DELETED]
        brackets = [(label, place[start], place[end]) for label, start, end in self.brackets if label not in DELETED]
        return words, [(ALIKE.get(label, label), start, end) for label, start, end in brackets if start < end]


def read(text: str) -> Tree | None:
    """What stands in a bracketed tree, labels without function tags; None for what is no tree."""
    tags: list[str] = []
    words: list[str] = []
    brackets: list[Bracket] = []
    opened: list[tuple[str, int]] = []
    for token in TOKEN.finditer(text):
        if token["word"] is not None:
            tags.append(token["label"])
            words.append(token["word"])
        elif token["label"] is not None:
            opened.append((token["label"], len(words)))
        elif token[0] != ")" or not opened:
            return None
        else:
            label, start = opened.pop()
            brackets.append((re.split("[-=]", label, maxsplit=1)[0], start, len(words)))
    return None if opened else Tree(tuple(tags), tuple(words), tuple(brackets))


def _counted(case: Case, right_tags: bool = False) -> list[int]:
    """(right, the right tree's, the output's, 1), or zeros for a sentence that EVALB skips.

    With `right_tags` (0, the right tree's, the output's, 0) for an output that is no tree over the right words.
    """
    gold, found = read(case.references[0]), read(case.output)
    if gold is None or found is None:
        return [0, len(gold.kept(gold.tags)[1]) if gold and right_tags else 0, 0, 0]
    same = gold.words == found.words
    words, brackets = gold.kept(gold.tags)
    found_words, found_brackets = found.kept(gold.tags if right_tags and same else found.tags)
    if right_tags and not same:
        return [0, len(brackets), len(found_brackets), 0]
    if not right_tags and (not found_words or words != found_words):
        return [0, 0, 0, 0]
    return [(Counter(brackets) & Counter(found_brackets)).total(), len(brackets), len(found_brackets), 1]


def _f1(sums_K: np.ndarray) -> float:
    """200 right / (the right trees' + the outputs'): the harmonic mean of precision and recall in a hundred."""
    right, gold, found = sums_K[:3]
    return float(200.0 * right / (gold + found)) if gold + found else float("nan")
