"""Masked sentence pairs for pre-training: predict the masked words, and whether the second sentence follows the first.

arXiv 1810.04805, section 3.1: 15 % of the tokens are chosen. Of these, 80 % become [MASK], 10 % become a random word
and 10 % stay. The input and the targets of an example are loaded separately, but draw the same random numbers, so both
use the same choice.
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

SHARE = 0.15  # of the tokens, including [CLS] and [SEP], as in the authors' code
MASKED, REPLACED = 0.8, 0.1  # of the chosen tokens; the rest stay
ANSWERS = ("other", "next")


class SentencePair(NamedTuple):
    """Two sentences, and whether the second follows the first in their text."""

    first: str
    second: str
    follows: bool


@dataclass(frozen=True)
class MaskedSentences(Sentences):
    """The input: the sentences of a `SentencePair`, masked anew in each epoch, as a function of seed and id.

    Outside training the mask is a function of the sentences alone.
    """

    def sample(self, value: Any) -> str:
        return super().sample(tuple(value[:2]))

    def open(self, folder: Path) -> "MaskedSentencesCodec":
        return MaskedSentencesCodec(self.vocabulary, Vocabulary.load(folder / self.files()[0]))


@dataclass(frozen=True)
class MaskedWords(MaskedSentences):
    """The targets of a `SentencePair`: first whether its second sentence is the next one, then each masked word."""

    decoded_metrics: ClassVar[tuple[str, ...]] = ("top_1",)

    def open(self, folder: Path) -> "MaskedWordsCodec":
        return MaskedWordsCodec(self.vocabulary, Vocabulary.load(folder / self.files()[0]))


class MaskedSentencesCodec(SentencesCodec):
    """A codec of masked sentences. A record holds the words without masking."""

    draws = "masked"

    def store(self, value: Any) -> bytes:
        return super().store(tuple(value[:2]) if isinstance(value, tuple | list) else value)

    def load(self, stored: bytes, hparams: DataHparams, augment: np.random.Generator | None) -> np.ndarray:
        ids_L = np.frombuffer(stored, "<i4")
        places_N, replacement_N = self.choose_masked(ids_L, augment)
        masked_L = ids_L.copy()
        masked_L[places_N] = replacement_N
        return masked_L

    def choose_masked(self, ids_L: np.ndarray, random: np.random.Generator | None) -> tuple[np.ndarray, np.ndarray]:
        """Return the chosen positions in ascending order and the ids that replace them, int[N] each."""
        random = random or keyed_rng.generator("masked", zlib.crc32(ids_L.tobytes()))
        words = np.flatnonzero(ids_L < self.vocabulary.size)
        places_N = np.sort(random.choice(words, min(masked_count(len(ids_L)), len(words)), replace=False))
        uniform_N = random.random(len(places_N))
        other_N = random.integers(UNK + 1, self.vocabulary.size, len(places_N))
        replacement_N = np.where(uniform_N < MASKED + REPLACED, other_N, ids_L[places_N])
        return places_N, np.where(uniform_N < MASKED, self.mask, replacement_N)


class MaskedWordsCodec(MaskedSentencesCodec):
    """A codec of the masked words.

    A record holds 1 if the second sentence is the next one, else 0, and the ids of the input.

    A batch has {"places": int32[B, T], "ids": int32[B, T], "lengths": int32[B]}: the positions in the input and the
    right ids there. The first position is that of [CLS]; its id is one of the two ids behind [MASK].
    """

    def store(self, value: Any) -> bytes:
        if not isinstance(value, tuple) or len(value) != 3:
            raise UserError(f"Expected two sentences and whether the second follows the first; received {value!r:.60}.")
        return np.array([int(value[2])], "<i4").tobytes() + super().store(value)

    def length(self, stored: bytes) -> int:
        return super().length(stored) - 1

    def load(self, stored: bytes, hparams: DataHparams, augment: np.random.Generator | None) -> np.ndarray:
        """Return ids and positions, int32[2, T]."""
        follows, ids_L = int(np.frombuffer(stored[:4], "<i4")[0]), np.frombuffer(stored[4:], "<i4")
        places_N, _ = self.choose_masked(ids_L, augment)
        ids_T = np.concatenate([[(self.other, self.next)[follows]], ids_L[places_N]])
        return np.stack([ids_T, np.concatenate([[0], places_N])]).astype("i4")

    def batch(self, values: Sequence[np.ndarray], rows: int, length: int) -> Arrays:
        shape = (rows, 1 + masked_count(length))
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
        return SentencePair(first, second, follows=stored[0] == 1)

    def symbols(self, stored: bytes) -> np.ndarray:
        """Return the targets as evaluation uses them."""
        return self.load(stored, DataHparams(), None)[0]

    def positions(self, length: int, hparams: DataHparams) -> int:
        return 1 + masked_count(length)

    def show(self, output: np.ndarray, source: Any = None) -> str:
        """Return "next" or "other" for a class, or for targets, of which it is the first."""
        first = int(np.asarray(output).reshape(-1)[0])
        return ANSWERS[first - self.other if first >= self.other else first]


def masked_count(length: int) -> int:
    """Return the number of ids that are chosen out of `length`."""
    return max(1, round(SHARE * length))
