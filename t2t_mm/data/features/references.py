"""Several reference texts as targets, each a right answer: the captions of an image, the translations of a sentence."""

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
    """One or more reference lines. The raw value is a tuple of them.

    They stay in one example: training draws one line of an example in each epoch; evaluation compares with each of them
    and counts them as one example. Vocabulary and modality net are those of `Text`.
    """

    decoded_metrics = ("cider", "bleu_4")

    def sample(self, value: Any) -> str:
        return "\n".join(value)

    def open(self, folder: Path) -> "ReferencesCodec":
        return ReferencesCodec(self.vocabulary, Vocabulary.load(folder / self.files()[0]))


class ReferencesCodec(TextCodec):
    """A codec of references.

    A record holds a msgpack list of `TextCodec.store` of each line. The length is the longest one's.
    """

    def store(self, value: Any) -> bytes:
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise UserError(
                f"References must be one or more lines of text; received {type(value).__name__}: {value!r:.60}."
            )
        lines = [super(ReferencesCodec, self).store(line) for line in value if not is_blank(line)]
        if not lines:
            raise UserError("All references are blank; at least one line must have text.")
        return _pack(lines)

    def store_beginning(self, value: Any) -> bytes:
        return _pack([super().store_beginning(value)])

    def length(self, stored: bytes) -> int:
        return max(super(ReferencesCodec, self).length(line) for line in _unpack(stored))

    def references(self, stored: bytes) -> list[bytes]:
        return [_pack([line]) for line in _unpack(stored)]

    def load(self, stored: bytes, hparams: DataHparams, augment: np.random.Generator | None) -> np.ndarray:
        """Return the ids of one line, int32[L]: the first line, or in training a random one."""
        lines = _unpack(stored)
        return super().load(lines[0 if augment is None else int(augment.integers(len(lines)))], hparams, augment)

    def value(self, stored: bytes) -> Any:
        return tuple(self.show(np.frombuffer(line, "<i4")) for line in _unpack(stored))

    def symbols(self, stored: bytes) -> np.ndarray:
        return np.concatenate([super(ReferencesCodec, self).symbols(line) for line in _unpack(stored)])


def is_blank(value: Any) -> bool:
    """Return True if a raw value is a text without visible characters, or a sequence of only such lines."""
    if isinstance(value, str):
        return not value.strip()
    return isinstance(value, tuple | list) and all(is_blank(line) for line in value)


def _pack(lines: list[bytes]) -> bytes:
    return bytes(msgpack.packb(lines))


def _unpack(stored: bytes) -> list[bytes]:
    return list(msgpack.unpackb(stored))
