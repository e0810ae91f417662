"""A part of a text that answers a question about it: where it begins and where it ends (arXiv 1810.04805, section 4.2).

What is read is a pair of `Sentences`, the question and the text; places count its ids, [CLS] first. C probabilities.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import msgpack
import numpy as np

from t2t_mm.data.features.text import Text
from t2t_mm.data.features.windows import windows
from t2t_mm.data.vocabulary import Vocabulary
from t2t_mm.errors import UserError
from t2t_mm.feature import Arrays, ArraySpec, Codec, Port
from t2t_mm.hparam_set import DataHparams

LONGEST = 30  # ids of an answer, as in the authors' code
SHOWN = 20  # answers, best first


class Marked(NamedTuple):
    """A question, a text, and each right answer as (what it says, at which character of the text it begins)."""

    question: str
    text: str
    answers: tuple[tuple[str, int], ...]


class Placed(NamedTuple):
    """The same without the words, in ids: each right answer as (first place, last place, what it says)."""

    answers: tuple[tuple[int, int, str], ...]
    asked: int  # ids of the question
    text: int  # ids of the text


NOT_HERE = (0, 0, "")  # the answer in a window of the text that does not hold it: [CLS], as in the authors' code


@dataclass(frozen=True)
class Span(Text):
    """The part of the text of a `Marked` that answers; several right ones stay together, as in `References`.

    A piece of the vocabulary belongs to an answer if any of its characters does.
    """

    modality = "span"
    decoded_metrics: ClassVar[tuple[str, ...]] = ("squad_exact", "squad_f1")

    def sample(self, value: Any) -> str:
        return f"{value.question}\n{value.text}"

    def open(self, folder: Path) -> "SpanCodec":
        return SpanCodec(Vocabulary.load(folder / self.files()[0]))


class SpanCodec(Codec):
    """A record holds a `Placed`, msgpack."""

    port = Port("span", "span", 0)

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary

    def store(self, value: Any) -> bytes:
        placed = value if isinstance(value, Placed) else self.placed(value)
        if not placed.answers:
            raise UserError("A question has at least one answer that stands in its text. Received: none.")
        return bytes(msgpack.packb(placed))

    def placed(self, value: Marked) -> Placed:
        """Where the answers stand. Raises UserError for one that does not stand where it is said to."""
        begins = self.begins(value.question)
        pieces = self.vocabulary.characters(value.text)
        answers = []
        for words, begin in value.answers:
            end = begin + len(words)
            if not words.strip() or value.text[begin:end] != words:
                found = value.text[begin:end]
                raise UserError(
                    f"The answer {words!r} should stand at character {begin} of its text, where {found!r} is."
                )
            held = [place for place, (first, last) in enumerate(pieces) if first < end and last > begin]
            answers.append((begins + held[0], begins + held[-1], words))
        return Placed(tuple(answers), begins - 2, len(pieces))

    def begins(self, question: str) -> int:
        """The place of the text's first id: behind [CLS], the question and [SEP]."""
        return len(self.vocabulary.encode(question)) + 2

    def length(self, stored: bytes) -> int:
        return 1

    def longest(self, hparams: DataHparams) -> int:
        return 1

    def measured(self, length: int) -> str:
        return "1 part of a text"

    def references(self, stored: bytes) -> list[bytes]:
        placed = self.value(stored)
        return [self.store(placed._replace(answers=(one,))) for one in placed.answers]

    def windows(self, stored: bytes, hparams: DataHparams) -> list[bytes]:
        """The answers that stand whole in each window of the text, at their places there; else NOT_HERE."""
        placed = self.value(stored)
        read = windows(placed.asked, placed.text, hparams)
        found = []
        for begin, behind in read.of_text:
            back = placed.asked + begin - read.asked  # so many places nearer to the beginning than in the whole
            here = [
                (first - back, last - back, words)
                for first, last, words in placed.answers
                if first - placed.asked - 2 >= begin and last - placed.asked - 2 < behind
            ]
            found.append(self.store(Placed(tuple(here) or (NOT_HERE,), read.asked, behind - begin)))
        return found

    def load(self, stored: bytes, hparams: DataHparams, augment: np.random.Generator | None) -> np.ndarray:
        """(first place, last place): int32[2], of the first answer, or in training of any."""
        answers = self.value(stored).answers
        return np.array(answers[0 if augment is None else int(augment.integers(len(answers)))][:2], np.int32)

    def batch(self, values: Sequence[np.ndarray], rows: int, length: int) -> Arrays:
        """{"places": int32[B, 2]}, -1 in an empty row."""
        places_B2 = np.full((rows, 2), -1, np.int32)
        for row, value_2 in enumerate(values):
            places_B2[row] = value_2
        return {"places": places_B2}

    def spec(self, hparams: DataHparams) -> dict[str, ArraySpec]:
        return {"places": ArraySpec("int32", (None, 2))}

    def value(self, stored: bytes) -> Any:
        answers, asked, text = msgpack.unpackb(stored)
        return Placed(tuple((first, last, words) for first, last, words in answers), asked, text)

    def symbols(self, stored: bytes) -> np.ndarray:
        return np.zeros(0, np.int32)

    def positions(self, length: int, hparams: DataHparams) -> int:
        return 1

    def parse(self, line: str, folder: Path) -> Any:
        raise UserError("The part of a text that answers is marked by the model; it is not read from a line.")

    def show(self, output: np.ndarray, source: Any = None) -> str:
        """The words between two places of `source`, a question and its text; the places where there is no source."""
        first, last = (int(place) for place in np.asarray(output).reshape(-1)[:2])
        if not isinstance(source, tuple) or len(source) < 2:
            return f"places {first} to {last}"
        return self._words(first, last, source[1], self.begins(source[0]), self.vocabulary.characters(source[1]))

    def answer(self, stored: bytes, source: Any = None) -> str:
        """What the first right answer says, to the letter."""
        return str(self.value(stored).answers[0][2])

    def likeliest(self, probability_C: np.ndarray, source: Any = None) -> list[tuple[str, float]]:
        """The SHOWN likeliest parts of the text of up to LONGEST ids, each once, by P(first place) P(last place).

        `probability_C` holds halves of these probabilities: for each place of beginning there, then of ending there.
        """
        question, text = source
        return self._marked(probability_C, self.begins(question), self.vocabulary.characters(text), text)

    def joined(self, probabilities: Sequence[np.ndarray], source: Any, hparams: DataHparams) -> list[tuple[str, float]]:
        """The likeliest of all windows, each with what the window says that thinks it likeliest.

        A window without the answer is taught to mark [CLS], so that its parts of the text are left with little.
        """
        question, text = source
        pieces = self.vocabulary.characters(text)
        read = windows(self.begins(question) - 2, len(pieces), hparams)
        best: dict[str, float] = {}
        for probability_C, (first, behind) in zip(probabilities, read.of_text, strict=True):
            for words, probability in self._marked(probability_C, read.asked + 2, pieces[first:behind], text):
                best[words] = max(probability, best.get(words, 0.0))
        return sorted(best.items(), key=lambda one: -one[1])[:SHOWN]

    def _marked(
        self, probability_C: np.ndarray, begins: int, pieces: list[tuple[int, int]], text: str
    ) -> list[tuple[str, float]]:
        """`likeliest`, where what is read of `text` are `pieces`, the first of them at place `begins`."""
        starts_L, ends_L = 2 * np.asarray(probability_C, "float64").reshape(2, -1)
        starts_P, ends_P = (part_L[begins : begins + len(pieces)] for part_L in (starts_L, ends_L))
        pairs_PP = np.triu(starts_P[:, None] * ends_P[None])
        pairs_PP -= np.triu(pairs_PP, LONGEST)
        found: dict[str, float] = {}
        for flat in np.argsort(-pairs_PP, axis=None, kind="stable")[: 4 * SHOWN]:
            first, last = divmod(int(flat), len(ends_P))
            if len(found) < SHOWN and first <= last < first + LONGEST:
                words = self._words(begins + first, begins + last, text, begins, pieces)
                found.setdefault(words, float(pairs_PP[first, last]))
        return list(found.items())

    def _words(self, first: int, last: int, text: str, begins: int, pieces: list[tuple[int, int]]) -> str:
        """What of `text` stands from place `first` to place `last`."""
        held = pieces[max(first - begins, 0) : max(last - begins + 1, 0)]
        return text[held[0][0] : held[-1][1]].strip() if held else ""
