"""Parse trees as targets: a tree is carried as a line of symbols in the same vocabulary as other text.

`(S (NP (NNP John)) (VP (VBZ sleeps)))` is carried as `<(S><(NP><NNP><)NP><(VP><VBZ><)VP><)S>`: Vinyals et al. 2015
(arXiv 1412.7449, section 3) with the part-of-speech tags kept at the leaves, as Tensor2Tensor did, and the words left
out. Each symbol stands for itself in the vocabulary, so a tree of n words costs n ids and two for every constituent.
The words are put back from the sentence that was parsed, so a tree is restored exactly; without the sentence its
leaves read `_`. A label outside the tables below is carried as ordinary text and restored just as exactly.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from t2t_mm.data.features.brackets import DEEPEST, ESCAPES, UNKNOWN, Node, read_tree
from t2t_mm.data.features.text import Text, TextCodec
from t2t_mm.data.vocabulary import Vocabulary
from t2t_mm.errors import UserError
from t2t_mm.feature import Arrays, ArraySpec, Codec, Feature
from t2t_mm.hparam_set import DataHparams

# The Penn Treebank's constituents and tags (Marcus et al. 1993, tables 2 and 3), function tags apart.
CONSTITUENTS = (
    "ADJP ADVP CONJP FRAG INTJ LST NAC NP NX PP PRN PRT QP RRC S SBAR SBARQ SINV SQ UCP VP WHADJP WHADVP WHNP WHPP X"
).split()
TAGS = (
    "# $ '' , -LRB- -RRB- . : CC CD DT EX FW IN JJ JJR JJS LS MD NN NNP NNPS NNS PDT POS PRP PRP$ RB RBR RBS RP SYM TO "
    "UH VB VBD VBG VBN VBP VBZ WDT WP WP$ WRB ``"
).split()
SYMBOLS = tuple(f"<{mark}{label}>" for label in CONSTITUENTS for mark in "()") + tuple(f"<{tag}>" for tag in TAGS)

NO_WORD = "_"  # shown at a leaf when the sentence is not at hand
NO_TAG = "XX"  # the tag of a word to which the model gave none


def linearise(tree: Node) -> str:
    """A tree as the line of symbols that a model reads and writes. Raises UserError for a label with `<` or `>`."""
    return "".join(_symbols(tree))


def _symbols(tree: Node) -> Iterator[str]:
    opening, closing, leaf = _symbols_of(tree.label)
    if tree.word:
        yield leaf
        return
    yield opening
    for child in tree.children:
        yield from _symbols(child)
    yield closing


@lru_cache(maxsize=4096)
def _symbols_of(label: str) -> tuple[str, str, str]:
    """A constituent's opening and closing symbol, and a word's."""
    if re.search(r"[<>]", label):
        raise UserError(f"A tree has the label {label!r}; a label may hold neither '<' nor '>'.")
    return f"<({label}>", f"<){label}>", f"<{label}>"


def restore(line: str, words: Sequence[str] | None = None) -> Node:
    """The tree that a line of symbols says, over exactly `words`; each leaf reads `_` when they are None.

    A line that `linearise` wrote is restored exactly. Any other line, as a model may put out, is repaired to some tree
    over `words`: what is no symbol is passed over; constituents that never close do so at the end, and one that closes
    without having opened opens at the beginning (Vinyals et al. 2015, section 3), but of either no more than DEEPEST in
    one another; a closing symbol closes what is open, whatever its label; several trees side by side are put below an
    `X`; constituents without a leaf and leaves without a word go, and words without a leaf are hung below the root as
    `(XX word)`.
    """
    # A stack of constituents not yet closed, the bottom one standing for the whole line.
    stack: list[tuple[str, list[Node]]] = [("", [])]
    rest = None if words is None else [word.translate(ESCAPES) for word in reversed(words)]
    around = 0  # how many constituents opened at the beginning
    for symbol in re.findall(r"<([^<>]+)>", line):
        if symbol.startswith("(") and len(symbol) > 1:
            if len(stack) <= DEEPEST:
                stack.append((symbol[1:], []))
        elif symbol.startswith(")") and len(symbol) > 1:
            around += len(stack) == 1
            if len(stack) > 1 or around <= DEEPEST:
                _close(stack, symbol[1:])
        elif rest is None:
            stack[-1][1].append(Node(symbol, word=NO_WORD))
        elif rest:
            stack[-1][1].append(Node(symbol, word=rest.pop()))
    while len(stack) > 1:
        _close(stack, stack[-1][0])
    roots = stack[0][1]
    unplaced = [Node(NO_TAG, word=word) for word in reversed(rest or [])]
    if len(roots) == 1 and not unplaced:
        return roots[0]
    if len(roots) == 1 and roots[0].children:
        return Node(roots[0].label, (*roots[0].children, *unplaced))
    return Node(UNKNOWN, (*roots, *unplaced) or (Node(NO_TAG, word=NO_WORD),))


def _close(stack: list[tuple[str, list[Node]]], label: str) -> None:
    if len(stack) == 1:
        if stack[0][1]:
            stack[0] = ("", [Node(label, tuple(stack[0][1]))])
        return
    opened, children = stack.pop()
    if children:
        stack[-1][1].append(Node(opened, tuple(children)))


def well_formed(line: str, words: Sequence[str] | None = None) -> bool:
    """Whether `line` says one whole tree, with a leaf for each of `words` where given, so that nothing needs repair."""
    tree = restore(line, words)
    return linearise(tree) == line and (words is None or len(tree.leaves) == len(words))


@dataclass(frozen=True)
class Tree(Feature):
    """A parse tree, in the vocabulary of `Text(vocabulary)` and through the same net.

    Its raw value is a bracketed tree on one line; its words are those of the problem's inputs, joined by blanks.
    """

    modality = "text"
    vocabulary: str = "subwords"
    symbols = SYMBOLS  # one id each
    decoded_metrics = ("bracket_f1", "bracket_f1_right_tags", "exact_match", "well_formed")

    def sample(self, value: Any) -> str:
        return linearise(read_tree(value))

    def prepare(
        self, data_dir: Path, alike: Sequence[Feature], samples: Mapping[str, Iterable[str]], seed: int, report: Any
    ) -> None:
        self._text.prepare(data_dir, alike, samples, seed, report)

    def files(self) -> tuple[str, ...]:
        return self._text.files()

    def open(self, folder: Path) -> "TreeCodec":
        return TreeCodec(TextCodec(self._text.vocabulary, Vocabulary.load(folder / self.files()[0])))

    @property
    def _text(self) -> Text:
        return Text(vocabulary=self.vocabulary, symbols=SYMBOLS)


class TreeCodec(Codec):
    """Trees through a text codec: linearised on the way in, restored on the way out."""

    def __init__(self, text: TextCodec) -> None:
        self.text = text
        self.port = text.port

    def store(self, value: Any) -> bytes:
        return self.text.store(linearise(read_tree(value)))

    def length(self, stored: bytes) -> int:
        return self.text.length(stored)

    def load(self, stored: bytes, hparams: DataHparams, augment: np.random.Generator | None) -> np.ndarray:
        return self.text.load(stored, hparams, augment)

    def batch(self, values: Sequence[np.ndarray], rows: int, length: int) -> Arrays:
        return self.text.batch(values, rows, length)

    def spec(self, hparams: DataHparams) -> dict[str, ArraySpec]:
        return self.text.spec(hparams)

    def value(self, stored: bytes) -> Any:
        return self.show(self.symbols(stored))

    def symbols(self, stored: bytes) -> np.ndarray:
        return self.text.symbols(stored)

    def positions(self, length: int, hparams: DataHparams) -> int:
        return self.text.positions(length, hparams)

    def parse(self, line: str, folder: Path) -> Any:
        return str(read_tree(line))

    def show(self, output: np.ndarray, source: Any = None) -> str:
        """The bracketed tree, over the words of `source` (a sentence with a blank between words) where given.

        Any output is shown: what is no whole tree is repaired as `restore` says.
        """
        return str(restore(self.text.show(output), None if source is None else str(source).split()))

    def well_formed(self, output: np.ndarray, source: Any = None) -> bool:
        return well_formed(self.text.show(output), None if source is None else str(source).split())
