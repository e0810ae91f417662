"""LibriSpeech as OpenSLR's archives unpack."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from t2t_mm.data.features.input_file import read_named
from t2t_mm.data.sources.lazy_values import LazyValues
from t2t_mm.data.sources.unpaired import refuse_unpaired
from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, TEST, TRAIN, Example, Source

PARTS = {
    TRAIN: ("train-clean-100", "train-clean-360", "train-other-500"),
    DEV: ("dev-clean",),
    TEST: ("test-clean",),
}


@dataclass(frozen=True)
class LibriSpeech(Source):
    """`<part>/<speaker>/<chapter>/<speaker>-<chapter>-<number>.flac` below `folder`, and the words of a chapter.

    They stand in `<speaker>-<chapter>.trans.txt` beside the sounds, on each line an utterance's id, a blank and its
    words in capitals. Trained on is what there is of train-clean-100, train-clean-360 and train-other-500 (`notes` says
    what is not); dev-clean is dev and test-clean test. inputs are the bytes of a file, targets its words. An example is
    named by its utterance, as in `1272-128104-0000`; parts, speakers and chapters come in the order of their names,
    utterances as they stand in the transcripts. A sound without words and words without a sound are refused.
    """

    folder: str  # below tmp_dir
    homepage: str = ""  # where the corpus is to be had

    def present(self, tmp_dir: Path) -> bool:
        return (tmp_dir / self.folder).is_dir()

    def splits(self, tmp_dir: Path) -> tuple[str, ...]:
        found = {split: self._there(split, tmp_dir) for split in PARTS}
        if not found[TRAIN] or not found[DEV]:
            source = f" To be had from {self.homepage}." if self.homepage else ""
            raise UserError(
                f"{tmp_dir / self.folder} holds no {' nor '.join(PARTS[DEV] if found[TRAIN] else PARTS[TRAIN])}. "
                f"Expected there: one or more of {', '.join(PARTS[TRAIN])}, {PARTS[DEV][0]} and {PARTS[TEST][0]} as "
                f"their archives unpack, with <part>/<speaker>/<chapter>/<utterance>.flac in them.{source}"
            )
        return tuple(split for split, parts in found.items() if parts)

    def notes(self, tmp_dir: Path) -> tuple[str, ...]:
        missing = [part for split in PARTS for part in PARTS[split] if part not in self._there(split, tmp_dir)]
        return (f"{tmp_dir / self.folder} lacks {', '.join(missing)}.",) if missing else ()

    def examples(self, split: str, tmp_dir: Path) -> Iterator[Example]:
        for part in self._there(split, tmp_dir):
            for speaker in _folders(tmp_dir / self.folder / part):
                for chapter in _folders(speaker):
                    yield from _utterances(chapter)

    def _there(self, split: str, tmp_dir: Path) -> list[str]:
        return [part for part in PARTS[split] if (tmp_dir / self.folder / part).is_dir()]


def _folders(parent: Path) -> list[Path]:
    return sorted(path for path in parent.iterdir() if path.is_dir() and not path.name.startswith("."))


def _utterances(chapter: Path) -> Iterator[Example]:
    table = chapter / f"{chapter.parent.name}-{chapter.name}.trans.txt"
    if not table.is_file():
        raise UserError(f"{chapter} holds no {table.name}: the words of its sounds. Unpack the archive again.")
    sounds = {path.stem for path in chapter.iterdir() if path.suffix == ".flac" and not path.name.startswith(".")}
    words: dict[str, str] = {}
    lines: dict[str, int] = {}
    for number, raw in enumerate(table.read_bytes().splitlines(), start=1):
        try:
            utterance, blank, said = raw.decode("utf-8").strip().partition(" ")
        except UnicodeDecodeError as error:
            raise UserError(f"{table}, line {number}: the byte {raw[error.start]:#04x} is not UTF-8.") from None
        if utterance and not blank:
            raise UserError(f"{table}, line {number}: expected an utterance, a blank and its words; found {raw!r:.80}.")
        if utterance in words:
            raise UserError(f"{table}, line {number}: {utterance} stands on line {lines[utterance]} already.")
        if utterance:
            words[utterance], lines[utterance] = said.strip(), number
    refuse_unpaired(
        [f"{table}: no sound {utterance}.flac beside it" for utterance in words if utterance not in sounds],
        "Unpack the archive again.",
    )
    refuse_unpaired(
        [f"{chapter / utterance}.flac has no line in {table.name}" for utterance in sorted(sounds - set(words))],
        "Unpack the archive again.",
    )
    for utterance, said in words.items():
        sound = partial(read_named, f"{utterance}.flac", chapter, "sound")
        yield Example(utterance, LazyValues(inputs=sound, targets=said))
