"""Raw text with a sentence on each line: pairs of sentences, and sentences whose words may be out of order."""

import gzip
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from t2t_mm.data.features.masked_sentences import Pair
from t2t_mm.data.keyed_rng import generator
from t2t_mm.data.sources.archives import readable
from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, TEST, TRAIN, Example, Source

BLOCK = 4096  # sentences among which one that is not the next is looked for
KEPT, SWAPPED = "kept", "swapped"


@dataclass(frozen=True)
class SentenceFiles(Source):
    """A file for each split below `folder`, plain or .gz, UTF-8, a sentence a line; the test file may be missing.

    inputs and targets are a `Pair`: each line but the last of a document (an empty line ends one) is a first sentence.
    The second is the next one, or for half of the pairs, drawn by the example's id, any other of the same block of
    4,096. An example is named by split and line: `train/17` begins on line 17, counted from 1.
    """

    folder: str  # below tmp_dir
    names: Mapping[str, str]  # of the files, by split
    homepage: str = ""  # where the corpus is to be had

    def present(self, tmp_dir: Path) -> bool:
        return self._find(TRAIN, tmp_dir) is not None

    def splits(self, tmp_dir: Path) -> tuple[str, ...]:
        for split in (TRAIN, DEV):
            if self._find(split, tmp_dir) is None:
                where = f" To be had from {self.homepage}." if self.homepage else ""
                raise UserError(
                    f"{tmp_dir / self.folder} holds no {self.names[split]}, plain or .gz, of a sentence a line.{where}"
                )
        return (TRAIN, DEV) if self._find(TEST, tmp_dir) is None else (TRAIN, DEV, TEST)

    def examples(self, split: str, tmp_dir: Path) -> Iterator[Example]:
        block: list[tuple[int, str]] = []
        for numbered in self.lines(split, tmp_dir):
            block.append(numbered)
            if len(block) > BLOCK:
                yield from self._pairs(split, block)
                block = block[-1:]
        yield from self._pairs(split, block)

    def lines(self, split: str, tmp_dir: Path) -> Iterator[tuple[int, str]]:
        """Line numbers and sentences. Raises UserError for a broken archive and a line that is not UTF-8."""
        path = self._find(split, tmp_dir)
        if path is None:
            return
        with readable(path), gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                try:
                    line = raw.decode("utf-8").strip()
                except UnicodeDecodeError as error:
                    raise UserError(f"{path}, line {number}: the byte {raw[error.start]:#04x} is not UTF-8.") from None
                if line:
                    yield number, line

    def _pairs(self, split: str, block: list[tuple[int, str]]) -> Iterator[Example]:
        for place, ((number, first), (following, second)) in enumerate(pairwise(block)):
            if following != number + 1:  # an empty line between them
                continue
            random = generator("next sentence", split, number)
            follows = bool(random.random() < 0.5) or len(block) < 3
            if not follows:
                other = int(random.integers(len(block) - 2))  # any but these two
                second = block[other if other < place else other + 2][1]
            pair = Pair(first, second, follows)
            yield Example(f"{split}/{number}", {"inputs": pair, "targets": pair})

    def _find(self, split: str, tmp_dir: Path) -> Path | None:
        if split not in self.names:
            return None
        plain = tmp_dir / self.folder / self.names[split]
        return next((path for path in (plain, plain.with_name(plain.name + ".gz")) if path.is_file()), None)


@dataclass(frozen=True)
class SwappedWords(SentenceFiles):
    """inputs are a line, targets `kept`, or `swapped` where two neighbouring words of it have changed places.

    Which, and where, is drawn by the example's id, for half of the lines. Lines without two neighbours that differ are
    left out.
    """

    def examples(self, split: str, tmp_dir: Path) -> Iterator[Example]:
        for number, line in self.lines(split, tmp_dir):
            words = line.split()
            places = [place for place, (one, other) in enumerate(pairwise(words)) if one != other]
            if not places:
                continue
            random = generator("word order", split, number)
            answer = SWAPPED if random.random() < 0.5 else KEPT
            if answer == SWAPPED:
                place = places[int(random.integers(len(places)))]
                words[place], words[place + 1] = words[place + 1], words[place]
            yield Example(f"{split}/{number}", {"inputs": " ".join(words), "targets": answer})
