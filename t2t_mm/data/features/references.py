"""Several lines of text of which each is a right answer: the captions of a picture, the translations of a sentence."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack
import numpy as np

from t2t_mm.data.features.text import Text, TextCodec
from t2t_mm.data.vocabulary import Vocabulary
from t2t_mm.errors import UserError
from t2t_mm.hparam_set import DataHparams


@dataclass(frozen=True)
class References(Text):
    """One or more lines; the raw value is a tuple of them.

    They stay together: training draws one of an example's lines in each epoch, evaluation judges against every one and
    counts them as one example. Vocabulary and modality net are those of `Text`.
    """

    decoded_metrics = ("cider", "bleu_4")

    def sample(self, value: Any) -> str:
        return "\n".join(value)

    def open(self, folder: Path) -> "ReferencesCodec":
        return ReferencesCodec(self.vocabulary, Vocabulary.load(folder / self.files()[0]))


class ReferencesCodec(TextCodec):
    """Lines stand in a record as a msgpack list of what `TextCodec` stores of each; the length is the longest's."""

    def store(self, value: Any) -> bytes:
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise UserError(
                f"References are one or more lines of text; received {type(value).__name__}: {value!r:.60}."
            )
        lines = [super(ReferencesCodec, self).store(line) for line in value if not is_blank(line)]
        if not lines:
            raise UserError("There is no line with anything in it.")
        return _packed(lines)

    def store_beginning(self, value: Any) -> bytes:
        return _packed([super().store_beginning(value)])

    def length(self, stored: bytes) -> int:
        return max(super(ReferencesCodec, self).length(line) for line in _lines(stored))

    def references(self, stored: bytes) -> list[bytes]:
        return [_packed([line]) for line in _lines(stored)]

    def load(self, stored: bytes, hparams: DataHparams, augment: np.random.Generator | None) -> np.ndarray:
        """The ids of one line, int32[L]: the first, or in training any."""
        lines = _lines(stored)
        return super().load(lines[0 if augment is None else int(augment.integers(len(lines)))], hparams, augment)

    def value(self, stored: bytes) -> Any:
        return tuple(self.show(np.frombuffer(line, "<i4")) for line in _lines(stored))

    def symbols(self, stored: bytes) -> np.ndarray:
        return np.concatenate([super(ReferencesCodec, self).symbols(line) for line in _lines(stored)])


def is_blank(value: Any) -> bool:
    """Whether a raw value is text with nothing in it, or lines of which none has anything."""
    if isinstance(value, str):
        return not value.strip()
    return isinstance(value, tuple | list) and all(is_blank(line) for line in value)


def _packed(lines: list[bytes]) -> bytes:
    return bytes(msgpack.packb(lines))


def _lines(stored: bytes) -> list[bytes]:
    return list(msgpack.unpackb(stored))
