"""One or two sentences for a language model: [CLS] A [SEP] or [CLS] A [SEP] B [SEP] (arXiv 1810.04805)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from t2t_mm.data.features.text import Text
from t2t_mm.data.vocabulary import PAD, Vocabulary
from t2t_mm.errors import UserError
from t2t_mm.feature import Arrays, ArraySpec, Codec, Port
from t2t_mm.hparam_set import DataHparams

CLS, SEP, MASK, OTHER, NEXT = range(5)  # relative to the end of the vocabulary
SPECIAL = 5  # ids after those of the vocabulary
SEPARATOR = "[SEP]"


@dataclass(frozen=True)
class Sentences(Text):
    """One sentence or two. The raw value is a line of text or a tuple of two.

    The vocabulary is that of `Text`. [CLS], [SEP] and [MASK] have ids after it, so an existing vocabulary can be used.
    In a line to decode, a tab separates two sentences.
    """

    modality = "sentences"
    decoded_metrics: ClassVar[tuple[str, ...]] = ("exact_match",)

    def sample(self, value: Any) -> str:
        return "\n".join(as_sentences(value))

    def open(self, folder: Path) -> "SentencesCodec":
        return SentencesCodec(self.vocabulary, Vocabulary.load(folder / self.files()[0]))


class SentencesCodec(Codec):
    """A codec of sentences. A record holds all ids that the model reads, int32 little-endian."""

    def __init__(self, name: str, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.cls, self.sep, self.mask, self.other, self.next = (vocabulary.size + place for place in range(SPECIAL))
        self.port = Port("sentences", f"sentences_{name}", vocabulary.size + SPECIAL)

    def store(self, value: Any) -> bytes:
        ids = [self.cls]
        for sentence in as_sentences(value):
            ids += [*self.vocabulary.encode(sentence), self.sep]
        return np.array(ids, "<i4").tobytes()

    def length(self, stored: bytes) -> int:
        """Return the number of ids, including [CLS] and [SEP]."""
        return len(stored) // 4

    def load(self, stored: bytes, hparams: DataHparams, augment: np.random.Generator | None) -> np.ndarray:
        return np.frombuffer(stored, "<i4")

    def batch(self, values: Sequence[np.ndarray], rows: int, length: int) -> Arrays:
        """Return ids, segments and lengths. A segment is 0 up to and including the first [SEP], and 1 after it."""
        ids_BL = np.full((rows, length), PAD, np.int32)
        segments_BL = np.zeros((rows, length), np.int32)
        lengths_B = np.zeros(rows, np.int32)
        for row, ids_L in enumerate(values):
            ended_L = ids_L == self.sep
            ids_BL[row, : len(ids_L)] = ids_L
            segments_BL[row, : len(ids_L)] = np.cumsum(ended_L) - ended_L
            lengths_B[row] = len(ids_L)
        return {"ids": ids_BL, "segments": segments_BL, "lengths": lengths_B}

    def spec(self, hparams: DataHparams) -> dict[str, ArraySpec]:
        ids, lengths = ArraySpec("int32", (None, None)), ArraySpec("int32", (None,))
        return {"ids": ids, "segments": ids, "lengths": lengths}

    def value(self, stored: bytes) -> Any:
        sentences = self.split(np.frombuffer(stored, "<i4"))
        return sentences[0] if len(sentences) == 1 else tuple(sentences)

    def symbols(self, stored: bytes) -> np.ndarray:
        return np.zeros(0, np.int32)

    def positions(self, length: int, hparams: DataHparams) -> int:
        return length

    def parse(self, line: str, folder: Path) -> Any:
        """Return the line, or a tuple of two sentences if it has a tab."""
        first, tab, second = line.partition("\t")
        return (first, second) if tab else line

    def show(self, output: np.ndarray, source: Any = None) -> str:
        return f" {SEPARATOR} ".join(self.split(output))

    def split(self, ids_L: np.ndarray) -> list[str]:
        """Return the sentences that the ids spell, with "[MASK]" for masked words."""
        sentences: list[list[str]] = [[]]
        words: list[int] = []
        for id in [*np.asarray(ids_L).reshape(-1).tolist(), self.sep]:
            if id < self.vocabulary.size:
                words += [id] if id != PAD else []
                continue
            sentences[-1] += [self.vocabulary.decode(words)] if words else []
            words = []
            if id == self.mask:
                sentences[-1].append("[MASK]")
            elif id == self.sep:
                sentences.append([])
        return [" ".join(pieces) for pieces in sentences if pieces]


def as_sentences(value: Any) -> tuple[str, ...]:
    """Return the one or two sentences of a raw value. Raises UserError for anything else."""
    sentences = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, tuple | list) else ()
    if len(sentences) not in (1, 2) or not all(isinstance(one, str) and one.strip() for one in sentences):
        raise UserError(f"Expected one or two lines of text that are not blank; received {value!r:.60}.")
    return sentences
