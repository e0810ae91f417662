"""Single spoken words, one file for each, whose name gives word, speaker and take."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from t2t_mm.data.features.input_file import read_input_file
from t2t_mm.data.sources.lazy_values import LazyValues
from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, TEST, TRAIN, Example, Source

FOLDER = "recordings"


@dataclass(frozen=True, order=True)
class Clip:
    """A recording of one word. Clips are ordered by number, speaker and take."""

    number: int  # the index of the word in the list of words
    speaker: str
    take: int
    path: Path

    @property
    def id(self) -> str:
        return self.path.stem


@dataclass(frozen=True)
class SpokenWords(Source):
    """Recordings `recordings/<number>_<speaker>_<take>.wav` below the first of `folders` that exists.

    `words` are the words by number: `7_theo_12.wav` is Theo saying words[7] for the 13th time. The takes decide the
    split: those in `dev` and `test`, and all others for train. If no take of `test` exists, there is no test split.
    inputs are the bytes of the file, targets the word. Ids are the files' stems.
    """

    folders: tuple[str, ...]  # below tmp_dir
    words: tuple[str, ...]
    dev: range  # takes
    test: range  # takes
    homepage: str = ""  # where to get the corpus

    def present(self, tmp_dir: Path) -> bool:
        return any((tmp_dir / folder / FOLDER).is_dir() for folder in self.folders)

    def splits(self, tmp_dir: Path) -> tuple[str, ...]:
        return tuple(self.clips(tmp_dir))

    def examples(self, split: str, tmp_dir: Path) -> Iterator[Example]:
        for clip in self.clips(tmp_dir)[split]:
            audio = partial(read_input_file, clip.path.name, clip.path.parent, "audio file")
            yield Example(clip.id, LazyValues(inputs=audio, targets=self.words[clip.number]))

    def clips(self, tmp_dir: Path) -> dict[str, list[Clip]]:
        """Return the clips of each split, in order. Raises as `splits` does."""
        roots = [tmp_dir / folder / FOLDER for folder in self.folders]
        root = next((root for root in roots if root.is_dir()), None)
        if root is None:
            source = f" Get it from {self.homepage}." if self.homepage else ""
            raise UserError(
                f"There is no folder {' or '.join(map(str, roots))}. Expected in it: "
                f"<number>_<speaker>_<take>.wav, such as 7_theo_12.wav.{source}"
            )
        by_split: dict[str, list[Clip]] = {TRAIN: [], DEV: [], TEST: []}
        for clip in sorted(map(self._clip, _recordings(root))):
            by_split[TEST if clip.take in self.test else DEV if clip.take in self.dev else TRAIN].append(clip)
        if not by_split[TRAIN] or not by_split[DEV]:
            raise UserError(
                f"{root} holds {len(by_split[TRAIN]):,} clips for train and {len(by_split[DEV]):,} for dev, which is "
                f"takes {self.dev.start} to {self.dev.stop - 1}; both are needed."
            )
        return {split: clips for split, clips in by_split.items() if clips}

    def _clip(self, path: Path) -> Clip:
        match = re.fullmatch(r"([0-9]+)_(.+)_([0-9]+)", path.stem)
        if not match or int(match[1]) >= len(self.words):
            raise UserError(
                f"{path} is not named <number>_<speaker>_<take>.wav with a number of 0 to {len(self.words) - 1}."
            )
        return Clip(int(match[1]), match[2], int(match[3]), path)


def _recordings(root: Path) -> list[Path]:
    return [path for path in root.iterdir() if path.suffix.lower() == ".wav" and not path.name.startswith(".")]
