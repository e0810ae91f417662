"""A span of a text that answers a question about it: its first and last position (arXiv 1810.04805, section 4.2).

The input is a pair of `Sentences`, the question and the text. Positions count its ids, starting at [CLS]. C
probabilities.
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

LONGEST = 30  # ids of the longest answer, as in the authors' code
SHOWN = 20  # the number of answers that are listed, best first


class Marked(NamedTuple):
    """A question, a text, and its right answers, each as (its words, the index of its first character in the text)."""

    question: str
    text: str
    answers: tuple[tuple[str, int], ...]


class Placed(NamedTuple):
    """A `Marked` in ids: its right answers, each as (first position, last position, words), and two lengths."""

    answers: tuple[tuple[int, int, str], ...]
    question_length: int  # in ids
    text_length: int  # in ids


NOT_HERE = (0, 0, "")  # the answer in a window that does not contain the right one: [CLS], as in the authors' code


@dataclass(frozen=True)
class Span(Text):
    """The span of the text of a `Marked` that answers its question.

    All right answers stay in one example, as in `References`.

    A piece of the vocabulary belongs to an answer if any of its characters does.
    """

    modality = "span"
    decoded_metrics: ClassVar[tuple[str, ...]] = ("squad_exact", "squad_f1")

    def sample(self, value: Any) -> str:
        return f"{value.question}\n{value.text}"

    def open(self, folder: Path) -> "SpanCodec":
        return SpanCodec(Vocabulary.load(folder / self.files()[0]))


class SpanCodec(Codec):
    """A codec of spans. A record holds a `Placed` as msgpack."""

    port = Port("span", "span", 0)

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary

    def store(self, value: Any) -> bytes:
        placed = value if isinstance(value, Placed) else self.placed(value)
        if not placed.answers:
            raise UserError("A question must have at least one answer that occurs in its text; received none.")
        return bytes(msgpack.packb(placed))

    def placed(self, value: Marked) -> Placed:
        """Return the positions of the answers.

        Raises UserError for an answer that is not at its stated place in the text.
        """
        text_start = self.text_start(value.question)
        pieces = self.vocabulary.characters(value.text)
        answers = []
        for words, begin in value.answers:
            end = begin + len(words)
            if not words.strip() or value.text[begin:end] != words:
                raise UserError(
                    f"Expected the answer {words!r} at character {begin} of its text, found {value.text[begin:end]!r}."
                )
            held = [place for place, (first, last) in enumerate(pieces) if first < end and last > begin]
            answers.append((text_start + held[0], text_start + held[-1], words))
        return Placed(tuple(answers), text_start - 2, len(pieces))

    def text_start(self, question: str) -> int:
        """Return the position of the text's first id, which follows [CLS], the question and [SEP]."""
        return len(self.vocabulary.encode(question)) + 2

    def length(self, stored: bytes) -> int:
        return 1

    def longest(self, hparams: DataHparams) -> int:
        return 1

    def measured(self, length: int) -> str:
        return "1 span of a text"

    def references(self, stored: bytes) -> list[bytes]:
        placed = self.value(stored)
        return [self.store(placed._replace(answers=(one,))) for one in placed.answers]

    def windows(self, stored: bytes, hparams: DataHparams) -> list[bytes]:
        """Return the answers that lie completely in each window, at their positions in the window, else NOT_HERE."""
        placed = self.value(stored)
        split = windows(placed.question_length, placed.text_length, hparams)
        by_window = []
        for start, stop in split.text_ranges:
            shift = placed.question_length + start - split.question_length  # full position - window position
            here = [
                (first - shift, last - shift, words)
                for first, last, words in placed.answers
                if first - placed.question_length - 2 >= start and last - placed.question_length - 2 < stop
            ]
            by_window.append(self.store(Placed(tuple(here) or (NOT_HERE,), split.question_length, stop - start)))
        return by_window

    def load(self, stored: bytes, hparams: DataHparams, augment: np.random.Generator | None) -> np.ndarray:
        """Return the first and last position, int32[2], of the first answer, or in training of a random one."""
        answers = self.value(stored).answers
        return np.array(answers[0 if augment is None else int(augment.integers(len(answers)))][:2], np.int32)

    def batch(self, values: Sequence[np.ndarray], rows: int, length: int) -> Arrays:
        """Return {"places": int32[B, 2]}, with -1 in empty rows."""
        places_B2 = np.full((rows, 2), -1, np.int32)
        for row, value_2 in enumerate(values):
            places_B2[row] = value_2
        return {"places": places_B2}

    def spec(self, hparams: DataHparams) -> dict[str, ArraySpec]:
        return {"places": ArraySpec("int32", (None, 2))}

    def value(self, stored: bytes) -> Any:
        answers, question_length, text_length = msgpack.unpackb(stored)
        return Placed(tuple((first, last, words) for first, last, words in answers), question_length, text_length)

    def symbols(self, stored: bytes) -> np.ndarray:
        return np.zeros(0, np.int32)

    def positions(self, length: int, hparams: DataHparams) -> int:
        return 1

    def parse(self, line: str, folder: Path) -> Any:
        raise UserError("An answer span is an output of the model; it cannot be read from a line.")

    def show(self, output: np.ndarray, source: Any = None) -> str:
        """Return the words between two positions of `source`, a question and its text; without it, the positions."""
        first, last = (int(place) for place in np.asarray(output).reshape(-1)[:2])
        if not isinstance(source, tuple) or len(source) < 2:
            return f"places {first} to {last}"
        return self._words(first, last, source[1], self.text_start(source[0]), self.vocabulary.characters(source[1]))

    def answer(self, stored: bytes, source: Any = None) -> str:
        """Return the first right answer, exactly as it was stored."""
        return str(self.value(stored).answers[0][2])

    def likeliest(self, probability_C: np.ndarray, source: Any = None) -> list[tuple[str, float]]:
        """Return the SHOWN likeliest spans of up to LONGEST ids, each once, scored P(first position) P(last position).

        `probability_C` holds these probabilities, halved: first those of each position as the first one, then as the
        last one.
        """
        question, text = source
        return self._best_spans(probability_C, self.text_start(question), self.vocabulary.characters(text), text)

    def joined(self, probabilities: Sequence[np.ndarray], source: Any, hparams: DataHparams) -> list[tuple[str, float]]:
        """Return the likeliest spans of all windows, each with its highest probability in any window.

        The target of a window without the answer is [CLS], so its spans of the text get low probabilities.
        """
        question, text = source
        pieces = self.vocabulary.characters(text)
        split = windows(self.text_start(question) - 2, len(pieces), hparams)
        best: dict[str, float] = {}
        for probability_C, (start, stop) in zip(probabilities, split.text_ranges, strict=True):
            for words, probability in self._best_spans(
                probability_C, split.question_length + 2, pieces[start:stop], text
            ):
                best[words] = max(probability, best.get(words, 0.0))
        return sorted(best.items(), key=lambda one: -one[1])[:SHOWN]

    def _best_spans(
        self, probability_C: np.ndarray, text_start: int, pieces: list[tuple[int, int]], text: str
    ) -> list[tuple[str, float]]:
        """Return `likeliest` for the part of `text` that `pieces` cover, the first piece at position `text_start`."""
        starts_L, ends_L = 2 * np.asarray(probability_C, "float64").reshape(2, -1)
        starts_P, ends_P = (part_L[text_start : text_start + len(pieces)] for part_L in (starts_L, ends_L))
        pairs_PP = np.triu(starts_P[:, None] * ends_P[None])
        pairs_PP -= np.triu(pairs_PP, LONGEST)
        spans: dict[str, float] = {}
        for flat in np.argsort(-pairs_PP, axis=None, kind="stable")[: 4 * SHOWN]:
            first, last = divmod(int(flat), len(ends_P))
            if len(spans) < SHOWN and first <= last < first + LONGEST:
                words = self._words(text_start + first, text_start + last, text, text_start, pieces)
                spans.setdefault(words, float(pairs_PP[first, last]))
        return list(spans.items())

    def _words(self, first: int, last: int, text: str, text_start: int, pieces: list[tuple[int, int]]) -> str:
        """Return the words of `text` from position `first` to position `last`."""
        held = pieces[max(first - text_start, 0) : max(last - text_start + 1, 0)]
        return text[held[0][0] : held[-1][1]].strip() if held else ""
