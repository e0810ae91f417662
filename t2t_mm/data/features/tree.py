"""Parse trees as targets: a tree is a line of symbols in the vocabulary of the texts.

`(S (NP (NNP John)) (VP (VBZ sleeps)))` becomes `<(S><(NP><NNP><)NP><(VP><VBZ><)VP><)S>`: Vinyals et al. 2015 (arXiv
1412.7449, section 3), with the part-of-speech tags kept at the leaves, as in Tensor2Tensor, and without the words. Each
symbol is one id of the vocabulary, so a tree of n words takes n ids and two for every constituent. The words are taken
from the parsed sentence, so a tree is restored exactly; without the sentence its leaves read `_`. A label outside the
tables below is encoded as ordinary text and restored just as exactly.
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

# The Penn Treebank's constituents and tags (Marcus et al. 1993, tables 2 and 3), without function tags.
CONSTITUENTS = (
    "ADJP ADVP CONJP FRAG INTJ LST NAC NP NX PP PRN PRT QP RRC S SBAR SBARQ SINV SQ UCP VP WHADJP WHADVP WHNP WHPP X"
).split()
TAGS = (
    "# $ '' , -LRB- -RRB- . : CC CD DT EX FW IN JJ JJR JJS LS MD NN NNP NNPS NNS PDT POS PRP PRP$ RB RBR RBS RP SYM TO "
    "UH VB VBD VBG VBN VBP VBZ WDT WP WP$ WRB ``"
).split()
SYMBOLS = tuple(f"<{mark}{label}>" for label in CONSTITUENTS for mark in "()") + tuple(f"<{tag}>" for tag in TAGS)

NO_WORD = "_"  # shown at a leaf if the sentence is not known
NO_TAG = "XX"  # the tag of a word that the model did not tag


def linearise(tree: Node) -> str:
    """Return a tree as the line of symbols that a model reads and writes.

    Raises UserError for a label with `<` or `>`.
    """
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
    """Return the opening and the closing symbol of a constituent `label`, and the symbol of a word with this tag."""
    if re.search(r"[<>]", label):
        raise UserError(f"A tree has the label {label!r}; a label must not contain '<' or '>'.")
    return f"<({label}>", f"<){label}>", f"<{label}>"


def restore(line: str, words: Sequence[str] | None = None) -> Node:
    """Return the tree of a line of symbols, over exactly `words`. If `words` is None, each leaf reads `_`.

    A line written by `linearise` is restored exactly. Any other line, as a model may write it, is repaired to some tree
    over `words`:

    - text that is no symbol is skipped;
    - constituents that never close are closed at the end, and one that closes without having opened opens at the
      beginning (Vinyals et al. 2015, section 3), but not more than DEEPEST nested ones of either kind;
    - a closing symbol closes the innermost open constituent, whatever its label;
    - several trees side by side are put below an `X`;
    - constituents without a leaf and leaves without a word are removed;
    - words without a leaf are added below the root as `(XX word)`.
    """
    # A stack of open constituents; the bottom one stands for the complete line.
    stack: list[tuple[str, list[Node]]] = [("", [])]
    remaining = None if words is None else [word.translate(ESCAPES) for word in reversed(words)]
    opened_at_start = 0  # the number of constituents that are opened at the beginning
    for symbol in re.findall(r"<([^<>]+)>", line):
        if symbol.startswith("(") and len(symbol) > 1:
            if len(stack) <= DEEPEST:
                stack.append((symbol[1:], []))
        elif symbol.startswith(")") and len(symbol) > 1:
            opened_at_start += len(stack) == 1
            if len(stack) > 1 or opened_at_start <= DEEPEST:
                _close(stack, symbol[1:])
        elif remaining is None:
            stack[-1][1].append(Node(symbol, word=NO_WORD))
        elif remaining:
            stack[-1][1].append(Node(symbol, word=remaining.pop()))
    while len(stack) > 1:
        _close(stack, stack[-1][0])
    roots = stack[0][1]
    unplaced = [Node(NO_TAG, word=word) for word in reversed(remaining or [])]
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
    """Return True if `line` is one complete tree that needs no repair, with one leaf for each of `words`."""
    tree = restore(line, words)
    return linearise(tree) == line and (words is None or len(tree.leaves) == len(words))


@dataclass(frozen=True)
class Tree(Feature):
    """A parse tree, in the vocabulary and modality net of `Text(vocabulary)`.

    The raw value is a bracketed tree on one line. Its words are those of the problem's inputs, joined by blanks.
    """

    modality = "text"
    vocabulary: str = "subwords"
    symbols = SYMBOLS  # one id each
    decoded_metrics = ("bracket_f1", "bracket_f1_right_tags", "exact_match", "well_formed")

    def sample(self, value: Any) -> str:
        return linearise(read_tree(value))

    def prepare(
        self, data_dir: Path, sharing: Sequence[Feature], samples: Mapping[str, Iterable[str]], seed: int, report: Any
    ) -> None:
        self._text.prepare(data_dir, sharing, samples, seed, report)

    def files(self) -> tuple[str, ...]:
        return self._text.files()

    def open(self, folder: Path) -> "TreeCodec":
        return TreeCodec(TextCodec(self._text.vocabulary, Vocabulary.load(folder / self.files()[0])))

    @property
    def _text(self) -> Text:
        return Text(vocabulary=self.vocabulary, symbols=SYMBOLS)


class TreeCodec(Codec):
    """A codec of trees. It linearises them, stores them as a text codec does, and restores them."""

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
        """Return the bracketed tree, over the words of `source` (a sentence with blanks between words) if it is given.

        Any output can be shown: an incomplete tree is repaired as `restore` describes.
        """
        return str(restore(self.text.show(output), None if source is None else str(source).split()))

    def well_formed(self, output: np.ndarray, source: Any = None) -> bool:
        return well_formed(self.text.show(output), None if source is None else str(source).split())
