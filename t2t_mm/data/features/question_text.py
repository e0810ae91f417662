"""A question and a text that may be longer than can be read at once: [CLS] question [SEP] text [SEP], in windows."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from t2t_mm.data.features.sentences import Sentences, SentencesCodec, parts
from t2t_mm.data.features.windows import longest_window, windows
from t2t_mm.data.vocabulary import Vocabulary
from t2t_mm.errors import UserError
from t2t_mm.hparam_set import DataHparams


@dataclass(frozen=True)
class QuestionText(Sentences):
    """The raw value is a tuple, (question, text); a line to decode has a tab between them.

    What is longer than the hparam `max_length` is read in windows, so that no text of a record is too long to train on
    or to be judged.
    """

    def open(self, folder: Path) -> "AskedTextCodec":
        return AskedTextCodec(self.vocabulary, Vocabulary.load(folder / self.files()[0]))


class AskedTextCodec(SentencesCodec):
    """The port is that of `Sentences`: what was pre-trained on sentences reads it."""

    def store(self, value: Any) -> bytes:
        if len(parts(value)) != 2:
            raise UserError(f"What is read is a question and a text with a tab between them. Received: {value!r:.60}.")
        return super().store(value)

    def longest(self, hparams: DataHparams) -> int:
        return longest_window(hparams)

    def positions(self, length: int, hparams: DataHparams) -> int:
        """Those of all its windows: evaluation has them in one batch. What is read at once is one window long."""
        longest = longest_window(hparams)
        further = -(-max(0, length - longest) // hparams.window_stride)
        return min(length, longest) * (1 + further)

    def read_length(self, length: int, hparams: DataHparams) -> int:
        return min(length, longest_window(hparams))

    def windows(self, stored: bytes, hparams: DataHparams) -> list[bytes]:
        ids_L = np.frombuffer(stored, "<i4")
        begins = int(np.argmax(ids_L == self.sep)) + 1  # of the text
        text_L, end = ids_L[begins:-1], [self.sep]
        found = windows(begins - 2, len(text_L), hparams)
        head = [*ids_L[: 1 + found.asked], self.sep]
        return [np.array([*head, *text_L[first:behind], *end], "<i4").tobytes() for first, behind in found.of_text]
