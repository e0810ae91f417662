"""Raw text with one sentence on each line: sentence pairs, and sentences with words out of order."""

import gzip
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from t2t_mm.data.features.masked_sentences import SentencePair
from t2t_mm.data.keyed_rng import generator
from t2t_mm.data.sources.archives import readable
from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, TEST, TRAIN, Example, Source

BLOCK = 4096  # sentences of a block, from which a random second sentence is drawn
KEPT, SWAPPED = "kept", "swapped"


@dataclass(frozen=True)
class SentenceFiles(Source):
    """One file for each split below `folder`, plain or .gz, UTF-8, with one sentence on each line.

    The test file may be missing.

    inputs and targets are a `SentencePair`. Each line but the last of a document (an empty line ends one) is a first
    sentence. The second is the next sentence, or for half of the pairs a random other sentence of the same block of
    4,096, drawn by the example's id. Ids are split and line, counted from 1: `train/17` starts on line 17.
    """

    folder: str  # below tmp_dir
    names: Mapping[str, str]  # file names by split
    homepage: str = ""  # where to get the corpus

    def present(self, tmp_dir: Path) -> bool:
        return self._find(TRAIN, tmp_dir) is not None

    def splits(self, tmp_dir: Path) -> tuple[str, ...]:
        for split in (TRAIN, DEV):
            if self._find(split, tmp_dir) is None:
                where = f" Get it from {self.homepage}." if self.homepage else ""
                raise UserError(
                    f"{tmp_dir / self.folder} holds no {self.names[split]}, plain or .gz, with a sentence on each "
                    f"line.{where}"
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
        """Yield line numbers and sentences. Raises UserError for a broken archive and a line that is not UTF-8."""
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
                other = int(random.integers(len(block) - 2))  # any sentence but these two
                second = block[other if other < place else other + 2][1]
            pair = SentencePair(first, second, follows)
            yield Example(f"{split}/{number}", {"inputs": pair, "targets": pair})

    def _find(self, split: str, tmp_dir: Path) -> Path | None:
        if split not in self.names:
            return None
        plain = tmp_dir / self.folder / self.names[split]
        return next((path for path in (plain, plain.with_name(plain.name + ".gz")) if path.is_file()), None)


@dataclass(frozen=True)
class SwappedWords(SentenceFiles):
    """Sentences in which two neighbouring words may be swapped.

    inputs are a line, targets `swapped` if two of its words are swapped, else `kept`. Half of the lines are swapped;
    the choice and the place are drawn by the example's id. Lines without two different neighbours are left out.
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
