"""Labelled bracket F1 by the rules of EVALB with its COLLINS.prm (Sekine and Collins 1997, after Collins 1997).

A bracket is a constituent's label with the range of words that it spans. Not counted are:

- words with a tag in DELETED, and the brackets that contain no other word. The tag is the one in the word's *own* tree,
  so an output that tags a comma as NN has one word more than the right tree;
- brackets labelled TOP; function tags (`NP-SBJ-1` is NP); the tag of a word.

ADVP and PRT are one label. A bracket that a tree contains twice counts twice. As in EVALB, a sentence is skipped if its
output has no words left or is not a tree, or if the number of words or the words themselves differ. EVALB stops after
ten such sentences; this module continues and reports their number.

For a model that tags punctuation badly, few sentences remain, or none. `bracket_f1_right_tags` first gives the output's
words the tags of the right tree, as for parsers that write no tags. Then all sentences count.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from t2t_mm.metrics.on_text.base import POINTS, Case, Counted, TextMetric
from t2t_mm.registry import DECODED_METRICS

DELETED = frozenset(["TOP", "-NONE-", ",", ":", "``", "''", "."])
SAME_LABEL = {"PRT": "ADVP"}
TOKEN = re.compile(r"\(\s*(?P<label>[^\s()]*)(?:\s+(?P<word>[^\s()]+)\s*(?P<end>\)))?|\)|[^\s()]+")


@DECODED_METRICS.register(name="bracket_f1")
class BracketF1(TextMetric):
    """Labelled bracket F1, 0 to 100, by EVALB's rules (COLLINS.prm), which skip sentences of unequal length."""

    head = "bracket F1"
    style = POINTS

    def count(self, cases: Sequence[Case]) -> Counted:
        """Return (matching brackets, those of the right tree, those of the output, 1) of each case.

        All are 0 for a sentence that is skipped.
        """
        sums_NK = np.array([_counted(case) for case in cases], np.float64).reshape(-1, 4)
        matching, right, output, valid = (int(total) for total in sums_NK.sum(axis=0))
        precision, recall = (f"{100 * matching / total:.2f}" if total else "-" for total in (output, right))
        how = (
            f"EVALB, COLLINS.prm: precision {precision}, recall {recall}; "
            f"{len(cases) - valid:,} of {len(cases):,} sentences skipped"
        )
        return Counted(sums_NK, how)

    def finish(self, sums_K: np.ndarray) -> float:
        return _f1(sums_K)


@DECODED_METRICS.register(name="bracket_f1_right_tags")
class BracketF1RightTags(TextMetric):
    """Labelled bracket F1, 0 to 100, with the right tree's tags in the output, so that no sentence is skipped."""

    head = "bracket F1, right tags"
    style = POINTS

    def count(self, cases: Sequence[Case]) -> Counted:
        """Return the sums as `BracketF1` does; an output that is not a tree over the right words has no match."""
        sums_NK = np.array([_counted(case, right_tags=True) for case in cases], np.float64).reshape(-1, 4)
        how = "as bracket F1, words told by the right tree's tags in both trees; an output that is no tree is all wrong"
        return Counted(sums_NK, how)

    def finish(self, sums_K: np.ndarray) -> float:
        return _f1(sums_K)


Bracket = tuple[str, int, int]  # label, first leaf, first leaf after it


@dataclass(frozen=True)
class Tree:
    """The tags, words and brackets of a tree."""

    tags: tuple[str, ...]
    words: tuple[str, ...]
    brackets: tuple[Bracket, ...]

    def kept(self, tags: Sequence[str]) -> tuple[list[str], list[Bracket]]:
        """Return the words and brackets that count if the leaves have `tags`. Brackets are ranges of these words."""
        place = [0]  # the index of each leaf in the words that count
        for tag in tags:
            place.append(place[-1] + (tag not in DELETED))
        words = [word for tag, word in zip(tags, self.words, strict=True) if tag not in DELETED]
        brackets = [(label, place[start], place[end]) for label, start, end in self.brackets if label not in DELETED]
        return words, [(SAME_LABEL.get(label, label), start, end) for label, start, end in brackets if start < end]


def read(text: str) -> Tree | None:
    """Return the content of a bracketed tree, with labels without function tags; None if `text` is not a tree."""
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
    """Return (matching brackets, those of the right tree, those of the output, 1); zeros if EVALB skips the sentence.

    With `right_tags`, an output that is not a tree over the right words gives (0, those of the right tree, those of the
    output, 0).
    """
    right, output = read(case.references[0]), read(case.output)
    if right is None or output is None:
        return [0, len(right.kept(right.tags)[1]) if right and right_tags else 0, 0, 0]
    same_words = right.words == output.words
    words, brackets = right.kept(right.tags)
    output_words, output_brackets = output.kept(right.tags if right_tags and same_words else output.tags)
    if right_tags and not same_words:
        return [0, len(brackets), len(output_brackets), 0]
    if not right_tags and (not output_words or words != output_words):
        return [0, 0, 0, 0]
    return [(Counter(brackets) & Counter(output_brackets)).total(), len(brackets), len(output_brackets), 1]


def _f1(sums_K: np.ndarray) -> float:
    """Return 100 times the harmonic mean of precision and recall, 200 matching / (right trees' brackets + outputs').

    NaN if there are no brackets.
    """
    matching, right, output = sums_K[:3]
    return float(200.0 * matching / (right + output)) if right + output else float("nan")
