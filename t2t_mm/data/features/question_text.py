"""A question and a text, [CLS] question [SEP] text [SEP], read in windows if they are too long to be read at once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from t2t_mm.data.features.sentences import Sentences, SentencesCodec, as_sentences
from t2t_mm.data.features.windows import longest_window, windows
from t2t_mm.data.vocabulary import Vocabulary
from t2t_mm.errors import UserError
from t2t_mm.hparam_set import DataHparams


@dataclass(frozen=True)
class QuestionText(Sentences):
    """A question and a text. The raw value is a tuple (question, text); in a line to decode, a tab separates them.

    A text longer than the hparam `max_length` is read in windows, so no text is too long for training or evaluation.
    """

    def open(self, folder: Path) -> "QuestionTextCodec":
        return QuestionTextCodec(self.vocabulary, Vocabulary.load(folder / self.files()[0]))


class QuestionTextCodec(SentencesCodec):
    """A codec of questions and texts.

    It has the port of `Sentences`, so a net that was pre-trained on sentences can read it.
    """

    def store(self, value: Any) -> bytes:
        if len(as_sentences(value)) != 2:
            raise UserError(f"Expected a question and a text, separated by a tab; received {value!r:.60}.")
        return super().store(value)

    def longest(self, hparams: DataHparams) -> int:
        return longest_window(hparams)

    def positions(self, length: int, hparams: DataHparams) -> int:
        """Return the positions of all windows, because evaluation has them in one batch.

        A value read at once is one window.
        """
        longest = longest_window(hparams)
        further = -(-max(0, length - longest) // hparams.window_stride)
        return min(length, longest) * (1 + further)

    def read_length(self, length: int, hparams: DataHparams) -> int:
        return min(length, longest_window(hparams))

    def windows(self, stored: bytes, hparams: DataHparams) -> list[bytes]:
        ids_L = np.frombuffer(stored, "<i4")
        text_start = int(np.argmax(ids_L == self.sep)) + 1  # the first id of the text
        text_L, end = ids_L[text_start:-1], [self.sep]
        split = windows(text_start - 2, len(text_L), hparams)
        head = [*ids_L[: 1 + split.question_length], self.sep]
        return [np.array([*head, *text_L[first:stop], *end], "<i4").tobytes() for first, stop in split.text_ranges]
