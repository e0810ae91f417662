"""Two sentences of which some words are hidden, and what is asked: those words, and whether the second is the next.

arXiv 1810.04805, section 3.1: of the tokens 15 % are chosen; of these 80 % become [MASK], 10 % another word, 10 % stay.
An example's input and its targets are loaded apart and draw alike, so that both know what was chosen.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from t2t_mm.data import keyed_rng
from t2t_mm.data.features.sentences import Sentences, SentencesCodec
from t2t_mm.data.vocabulary import UNK, Vocabulary
from t2t_mm.errors import UserError
from t2t_mm.feature import Arrays, ArraySpec
from t2t_mm.hparam_set import DataHparams

SHARE = 0.15  # of the tokens, [CLS] and [SEP] counted in, as the authors' code has it
MASKED, REPLACED = 0.8, 0.1  # of those chosen; the rest stay
ANSWERS = ("other", "next")


class Pair(NamedTuple):
    """Two sentences, and whether the second comes after the first in their text."""

    first: str
    second: str
    follows: bool


@dataclass(frozen=True)
class MaskedSentences(Sentences):
    """What is read: the sentences of a `Pair`, words hidden anew in each epoch, by seed and id.

    Outside training the hidden words are a function of the sentences alone.
    """

    def sample(self, value: Any) -> str:
        return super().sample(tuple(value[:2]))

    def open(self, folder: Path) -> "MaskedSentencesCodec":
        return MaskedSentencesCodec(self.vocabulary, Vocabulary.load(folder / self.files()[0]))


@dataclass(frozen=True)
class MaskedWords(MaskedSentences):
    """What is asked of a `Pair`: first whether its second sentence is the next, then each hidden word."""

    decoded_metrics: ClassVar[tuple[str, ...]] = ("top_1",)

    def open(self, folder: Path) -> "HiddenWordsCodec":
        return HiddenWordsCodec(self.vocabulary, Vocabulary.load(folder / self.files()[0]))


class MaskedSentencesCodec(SentencesCodec):
    """A record holds the words as they are."""

    draws = "masked"

    def store(self, value: Any) -> bytes:
        return super().store(tuple(value[:2]) if isinstance(value, tuple | list) else value)

    def load(self, stored: bytes, hparams: DataHparams, augment: np.random.Generator | None) -> np.ndarray:
        ids_L = np.frombuffer(stored, "<i4")
        places_N, instead_N = self.hidden(ids_L, augment)
        masked_L = ids_L.copy()
        masked_L[places_N] = instead_N
        return masked_L

    def hidden(self, ids_L: np.ndarray, random: np.random.Generator | None) -> tuple[np.ndarray, np.ndarray]:
        """(places that are chosen, in order; the ids that stand there instead), int[N] each."""
        random = random or keyed_rng.generator("masked", zlib.crc32(ids_L.tobytes()))
        words = np.flatnonzero(ids_L < self.vocabulary.size)
        places_N = np.sort(random.choice(words, min(most_hidden(len(ids_L)), len(words)), replace=False))
        chance_N = random.random(len(places_N))
        other_N = random.integers(UNK + 1, self.vocabulary.size, len(places_N))
        instead_N = np.where(chance_N < MASKED + REPLACED, other_N, ids_L[places_N])
        return places_N, np.where(chance_N < MASKED, self.mask, instead_N)


class HiddenWordsCodec(MaskedSentencesCodec):
    """A record holds 1 for the next sentence, else 0, and the ids of the input.

    A batch has {"places": int32[B, T], "ids": int32[B, T], "lengths": int32[B]}: what stands at which place of the
    input. The first is at [CLS] and one of the two ids behind [MASK].
    """

    def store(self, value: Any) -> bytes:
        if not isinstance(value, tuple) or len(value) != 3:
            raise UserError(f"Expected two sentences and whether one follows the other. Received: {value!r:.60}.")
        return np.array([int(value[2])], "<i4").tobytes() + super().store(value)

    def length(self, stored: bytes) -> int:
        return super().length(stored) - 1

    def load(self, stored: bytes, hparams: DataHparams, augment: np.random.Generator | None) -> np.ndarray:
        """(ids, places): int32[2, T]."""
        follows, ids_L = int(np.frombuffer(stored[:4], "<i4")[0]), np.frombuffer(stored[4:], "<i4")
        places_N, _ = self.hidden(ids_L, augment)
        ids_T = np.concatenate([[(self.other, self.next)[follows]], ids_L[places_N]])
        return np.stack([ids_T, np.concatenate([[0], places_N])]).astype("i4")

    def batch(self, values: Sequence[np.ndarray], rows: int, length: int) -> Arrays:
        shape = (rows, 1 + most_hidden(length))
        arrays = {"places": np.zeros(shape, np.int32), "ids": np.zeros(shape, np.int32)}
        lengths_B = np.zeros(rows, np.int32)
        for row, (ids_T, places_T) in enumerate(values):
            arrays["places"][row, : len(places_T)] = places_T
            arrays["ids"][row, : len(ids_T)] = ids_T
            lengths_B[row] = len(ids_T)
        return {**arrays, "lengths": lengths_B}

    def spec(self, hparams: DataHparams) -> dict[str, ArraySpec]:
        ids, lengths = ArraySpec("int32", (None, None)), ArraySpec("int32", (None,))
        return {"places": ids, "ids": ids, "lengths": lengths}

    def value(self, stored: bytes) -> Any:
        first, second = super().value(stored[4:])
        return Pair(first, second, follows=stored[0] == 1)

    def symbols(self, stored: bytes) -> np.ndarray:
        """The targets of an evaluation."""
        return self.load(stored, DataHparams(), None)[0]

    def positions(self, length: int, hparams: DataHparams) -> int:
        return 1 + most_hidden(length)

    def show(self, output: np.ndarray, source: Any = None) -> str:
        """Whether the second sentence is the next: of a class, or of the targets, of which it is the first."""
        first = int(np.asarray(output).reshape(-1)[0])
        return ANSWERS[first - self.other if first >= self.other else first]


def most_hidden(length: int) -> int:
    """How many of `length` ids are chosen."""
    return max(1, round(SHARE * length))
