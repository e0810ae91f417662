"""One sentence or two as a model of language reads them: [CLS] A [SEP] or [CLS] A [SEP] B [SEP] (arXiv 1810.04805)."""

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

CLS, SEP, MASK, OTHER, NEXT = range(5)  # counted from the vocabulary's end
BEYOND = 5  # ids behind those of the vocabulary
SEPARATOR = "[SEP]"


@dataclass(frozen=True)
class Sentences(Text):
    """A sentence, or two of them; the raw value is a line of text or a tuple of two.

    The vocabulary is that of `Text`; [CLS], [SEP] and [MASK] stand behind it, so a vocabulary that was there serves.
    In a line to decode, a tab parts two sentences.
    """

    modality = "sentences"
    decoded_metrics: ClassVar[tuple[str, ...]] = ("exact_match",)

    def sample(self, value: Any) -> str:
        return "\n".join(parts(value))

    def open(self, folder: Path) -> "SentencesCodec":
        return SentencesCodec(self.vocabulary, Vocabulary.load(folder / self.files()[0]))


class SentencesCodec(Codec):
    """Sentences stand in a record as the ids of all that is read, int32 little-endian."""

    def __init__(self, name: str, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.cls, self.sep, self.mask, self.other, self.next = (vocabulary.size + place for place in range(BEYOND))
        self.port = Port("sentences", f"sentences_{name}", vocabulary.size + BEYOND)

    def store(self, value: Any) -> bytes:
        ids = [self.cls]
        for part in parts(value):
            ids += [*self.vocabulary.encode(part), self.sep]
        return np.array(ids, "<i4").tobytes()

    def length(self, stored: bytes) -> int:
        """Ids, with those of [CLS] and [SEP]."""
        return len(stored) // 4

    def load(self, stored: bytes, hparams: DataHparams, augment: np.random.Generator | None) -> np.ndarray:
        return np.frombuffer(stored, "<i4")

    def batch(self, values: Sequence[np.ndarray], rows: int, length: int) -> Arrays:
        """ "segments": 0 up to the first [SEP], 1 behind it."""
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
        found = self.split(np.frombuffer(stored, "<i4"))
        return found[0] if len(found) == 1 else tuple(found)

    def symbols(self, stored: bytes) -> np.ndarray:
        return np.zeros(0, np.int32)

    def positions(self, length: int, hparams: DataHparams) -> int:
        return length

    def parse(self, line: str, folder: Path) -> Any:
        """Two sentences where the line has a tab."""
        first, tab, second = line.partition("\t")
        return (first, second) if tab else line

    def show(self, output: np.ndarray, source: Any = None) -> str:
        return f" {SEPARATOR} ".join(self.split(output))

    def split(self, ids_L: np.ndarray) -> list[str]:
        """The sentences that ids are, [MASK] as that."""
        found: list[list[str]] = [[]]
        words: list[int] = []
        for id in [*np.asarray(ids_L).reshape(-1).tolist(), self.sep]:
            if id < self.vocabulary.size:
                words += [id] if id != PAD else []
                continue
            found[-1] += [self.vocabulary.decode(words)] if words else []
            words = []
            if id == self.mask:
                found[-1].append("[MASK]")
            elif id == self.sep:
                found.append([])
        return [" ".join(pieces) for pieces in found if pieces]


def parts(value: Any) -> tuple[str, ...]:
    """The one or two sentences of a raw value. Raises UserError for anything else."""
    sentences = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, tuple | list) else ()
    if len(sentences) not in (1, 2) or not all(isinstance(one, str) and one.strip() for one in sentences):
        raise UserError(f"Sentences are one or two lines with something in them. Received: {value!r:.60}.")
    return sentences
