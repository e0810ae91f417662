"""Bracketed parse trees in the notation of the Penn Treebank: `(S (NP (NNP John)) (VP (VBZ sleeps)) (. .))`."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from t2t_mm.errors import UserError

TRACE = "-NONE-"  # the tag of an empty element (a trace)
UNKNOWN = "X"  # the Treebank's own label for a constituent of unknown kind
DEEPEST = 100  # nested brackets, far more than any sentence has; bounds the recursion of functions that walk a tree
ESCAPES = str.maketrans({"(": "-LRB-", ")": "-RRB-"})  # the notation of words that are brackets
TOKEN = re.compile(r"\(\s*([^\s()]+)\s+([^\s()]+)\s*\)|([()]|[^\s()]+)")  # a complete leaf on one line, or one token


class Node(NamedTuple):
    """A constituent: a label and its children. A leaf is a tag and one word, without children."""

    label: str
    children: tuple["Node", ...] = ()
    word: str = ""

    def __str__(self) -> str:
        """Return the tree on one line, in the notation that `read_tree` reads."""
        return f"({self.label} {self.word or ' '.join(map(str, self.children))})"

    @property
    def leaves(self) -> tuple["Node", ...]:
        """The tagged words in order."""
        return (self,) if self.word else tuple(leaf for child in self.children for leaf in child.leaves)

    @property
    def words(self) -> tuple[str, ...]:
        """The words in order."""
        return tuple(leaf.word for leaf in self.leaves)


@dataclass
class _Open:
    """A bracket that is not yet closed, with the line on which it opened."""

    line: int
    label: str | None = None
    word: str | None = None
    children: list[Node] = field(default_factory=list)


def read_trees(lines: Iterable[str], where: str) -> Iterator[Node]:
    """Yield the trees in `lines`, one after the other. A tree may extend over several lines.

    An outermost bracket without a label, which the Treebank puts around every sentence, is removed.

    Raises:
        UserError: naming `where` and the line, for brackets that do not balance, for more than DEEPEST nested brackets,
            for a bracket that holds both a word and constituents, and for one that holds nothing.
    """
    stack: list[_Open] = []
    number = 0
    for number, line in enumerate(lines, start=1):
        for tag, word, token in TOKEN.findall(line):
            if (tag or token == "(") and len(stack) == DEEPEST:
                raise UserError(
                    f"{where}, line {number}: a tree has more than {DEEPEST} nested brackets, so the file "
                    f"is damaged or is not a treebank. Download it again."
                )
            if token == "(":
                stack.append(_Open(number))
                continue
            if tag:
                node = Node(tag, word=word)
            elif not stack:
                raise UserError(f"{where}, line {number}: {token!r} is outside of all brackets.")
            elif token == ")":
                node = _close(stack.pop(), where, number)
            else:
                _fill(stack[-1], token, where, number)
                continue
            if stack:
                stack[-1].children.append(node)
            else:
                yield node
    if stack:
        raise UserError(
            f"{where}, line {stack[0].line}: the tree that opens here is unbalanced; "
            f"{len(stack)} of its brackets are still open at line {number}, the last."
        )


def read_tree(text: str, where: str = "a tree") -> Node:
    """Return the one tree in `text`.

    Raises UserError, naming `where`, if there is none, several or an unbalanced one.
    """
    trees = list(read_trees(text.splitlines(), where))
    if len(trees) != 1:
        raise UserError(f"{where}: expected one bracketed tree, received {len(trees)}: {text[:80]!r}.")
    return trees[0]


def _fill(bracket: _Open, token: str, where: str, number: int) -> None:
    if bracket.label is None and not bracket.children:
        bracket.label = token
    elif bracket.word is None and not bracket.children:
        bracket.word = token
    else:
        raise UserError(f"{where}, line {number}: {token!r} shares a bracket with another word or constituent.")


def _close(bracket: _Open, where: str, number: int) -> Node:
    children = tuple(bracket.children)
    if bracket.word is not None and children:
        raise UserError(f"{where}, line {number}: a bracket holds both the word {bracket.word!r} and constituents.")
    if bracket.word is None and not children:
        raise UserError(
            f"{where}, line {number}: the bracket ({bracket.label or ''}) holds neither a word nor a constituent."
        )
    if bracket.label is None and len(children) == 1:
        return children[0]
    return Node(bracket.label or UNKNOWN, children, bracket.word or "")


def without_traces(tree: Node) -> Node | None:
    """Return the tree without traces, without constituents that contained only traces, and without function tags.

    `NP-SBJ-1` and `NP=2` become `NP`; `-LRB-` stays. Returns None if no word is left.
    """
    if tree.label == TRACE:
        return None
    label = _without_functions(tree.label)
    if tree.word:
        return tree if label == tree.label else Node(label, word=tree.word)
    children = tuple(filter(None, map(without_traces, tree.children)))
    return Node(label, children) if children else None


@lru_cache(maxsize=4096)
def _without_functions(label: str) -> str:
    return label if label.startswith("-") else re.split(r"[-=]", label, maxsplit=1)[0]
