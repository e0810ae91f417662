"""Passages of running text as sequences of characters."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from t2t_mm.atomic_file import atomic_write
from t2t_mm.data.features.feature_file import read_feature_file
from t2t_mm.data.features.text import TextCodec
from t2t_mm.data.vocabulary import EOS, PAD, UNK
from t2t_mm.errors import UserError
from t2t_mm.feature import Feature, Port

LINE_FEED = "\u23ce"  # shown in place of a line feed
RESERVED = 3  # pad, end of sequence and unknown, as in every vocabulary


@dataclass(frozen=True)
class Characters(Feature):
    """A passage of running text, without an end symbol because the text goes on. A line feed is an ordinary character.

    Features with equal `alphabet` share its file and, in a model, one text modality net. The alphabet holds every
    character of the training texts.
    """

    modality = "text"
    alphabet: str

    def sample(self, value: Any) -> str:
        """Return the code points of the distinct characters, because some characters would end a line."""
        return " ".join(str(ord(character)) for character in sorted(set(value)))

    def prepare(
        self, data_dir: Path, sharing: Sequence[Feature], samples: Mapping[str, Iterable[str]], seed: int, report: Any
    ) -> None:
        (file,) = self.files()
        path = data_dir / file
        if path.exists():
            return
        numbers = {number for line in chain.from_iterable(samples.values()) for number in line.split()}
        characters = sorted(chr(int(number)) for number in numbers)
        with atomic_write(path) as partial:
            partial.write_text(json.dumps(characters, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")
        report(f"{file}: {len(characters):,} characters of {', '.join(samples)}.")

    def files(self) -> tuple[str, ...]:
        return (f"characters.{self.alphabet}.json",)

    def open(self, folder: Path) -> "CharactersCodec":
        characters = read_feature_file(folder / self.files()[0], "list of characters", _characters)
        return CharactersCodec(self.alphabet, Alphabet(characters))


def _characters(text: str) -> list[str]:
    characters = json.loads(text)
    if not isinstance(characters, list) or not all(isinstance(one, str) and len(one) == 1 for one in characters):
        raise ValueError("not a list of characters")
    return characters


class Alphabet:
    """A table of characters and ids: pad 0, end of sequence 1, unknown 2, then the characters in order."""

    def __init__(self, characters: Sequence[str]) -> None:
        self.characters = list(characters)
        self._ids = {character: RESERVED + place for place, character in enumerate(characters)}
        self.size = RESERVED + len(self.characters)

    def encode(self, text: str) -> list[int]:
        return [self._ids.get(character, UNK) for character in text]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text that `ids` spell, with U+FFFD for unknown characters."""
        return "".join("\ufffd" if id == UNK else self.characters[id - RESERVED] for id in ids if id not in (PAD, EOS))


class CharactersCodec(TextCodec):
    """A codec of passages of characters. A record holds the ids, int32 little-endian, without an end of sequence."""

    def __init__(self, name: str, alphabet: Alphabet) -> None:
        self.alphabet = alphabet
        self.port = Port("text", f"characters_{name}", alphabet.size)

    def store(self, value: Any) -> bytes:
        if not isinstance(value, str) or not value:
            raise UserError(f"A passage of text must have at least one character; received {value!r:.60}.")
        return np.array(self.alphabet.encode(value), "<i4").tobytes()

    def store_beginning(self, value: Any) -> bytes:
        """Return the ids without an end symbol. Raises UserError for a character that is not in the alphabet."""
        stored = b"" if value == "" else self.store(value)
        ids = self.symbols(stored).tolist()
        if UNK in ids:
            place = ids.index(UNK)
            raise UserError(
                f"Its character {place + 1:,}, {value[place]!r}, is not one of the "
                f"{len(self.alphabet.characters):,} that the model was trained on. Leave it out."
            )
        return stored

    def measured(self, length: int) -> str:
        return f"{length:,} characters"

    def value(self, stored: bytes) -> Any:
        return self.alphabet.decode(self.symbols(stored).tolist())

    def parse(self, line: str, folder: Path) -> Any:
        """Return the text; U+23CE stands for a line feed, as in `show`."""
        return line.replace(LINE_FEED, "\n")

    def show(self, output: np.ndarray, source: Any = None) -> str:
        """Return the text as one line, with U+23CE for a line feed."""
        ids = np.asarray(output).reshape(-1).tolist()
        return self.alphabet.decode(ids[: ids.index(EOS)] if EOS in ids else ids).replace("\n", LINE_FEED)
