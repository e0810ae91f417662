"""LibriSpeech in the layout of OpenSLR's archives."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from t2t_mm.data.features.input_file import read_input_file
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
    """Files `<part>/<speaker>/<chapter>/<speaker>-<chapter>-<number>.flac` below `folder`, transcribed by chapter.

    A transcript file, `<speaker>-<chapter>.trans.txt`, is beside the audio files; a line is an utterance's id, a blank
    and its words in capitals. The parts of train-clean-100, train-clean-360 and train-other-500 that are present are
    train (`notes` names the missing ones); dev-clean is dev and test-clean test. inputs are the bytes of a file,
    targets its words. Ids are utterances, such as `1272-128104-0000`. Parts, speakers and chapters are sorted by name;
    utterances come in the order of the transcripts. Audio without a transcript and a transcript without audio are
    rejected.
    """

    folder: str  # below tmp_dir
    homepage: str = ""  # where to get the corpus

    def present(self, tmp_dir: Path) -> bool:
        return (tmp_dir / self.folder).is_dir()

    def splits(self, tmp_dir: Path) -> tuple[str, ...]:
        parts = {split: self._present_parts(split, tmp_dir) for split in PARTS}
        if not parts[TRAIN] or not parts[DEV]:
            source = f" Get it from {self.homepage}." if self.homepage else ""
            raise UserError(
                f"{tmp_dir / self.folder} holds no {' nor '.join(PARTS[DEV] if parts[TRAIN] else PARTS[TRAIN])}. "
                f"Expected there: one or more of {', '.join(PARTS[TRAIN])}, {PARTS[DEV][0]} and {PARTS[TEST][0]} as "
                f"their archives unpack, with <part>/<speaker>/<chapter>/<utterance>.flac in them.{source}"
            )
        return tuple(split for split, present in parts.items() if present)

    def notes(self, tmp_dir: Path) -> tuple[str, ...]:
        missing = [part for split in PARTS for part in PARTS[split] if part not in self._present_parts(split, tmp_dir)]
        return (f"{tmp_dir / self.folder} lacks {', '.join(missing)}.",) if missing else ()

    def examples(self, split: str, tmp_dir: Path) -> Iterator[Example]:
        for part in self._present_parts(split, tmp_dir):
            for speaker in _folders(tmp_dir / self.folder / part):
                for chapter in _folders(speaker):
                    yield from _utterances(chapter)

    def _present_parts(self, split: str, tmp_dir: Path) -> list[str]:
        return [part for part in PARTS[split] if (tmp_dir / self.folder / part).is_dir()]


def _folders(parent: Path) -> list[Path]:
    return sorted(path for path in parent.iterdir() if path.is_dir() and not path.name.startswith("."))


def _utterances(chapter: Path) -> Iterator[Example]:
    table = chapter / f"{chapter.parent.name}-{chapter.name}.trans.txt"
    if not table.is_file():
        raise UserError(
            f"{chapter} holds no {table.name}, the transcripts of its audio files. Unpack the archive again."
        )
    audio_ids = {path.stem for path in chapter.iterdir() if path.suffix == ".flac" and not path.name.startswith(".")}
    words: dict[str, str] = {}
    lines: dict[str, int] = {}
    for number, raw in enumerate(table.read_bytes().splitlines(), start=1):
        try:
            utterance, blank, transcript = raw.decode("utf-8").strip().partition(" ")
        except UnicodeDecodeError as error:
            raise UserError(f"{table}, line {number}: the byte {raw[error.start]:#04x} is not UTF-8.") from None
        if utterance and not blank:
            raise UserError(f"{table}, line {number}: expected an utterance, a blank and its words; found {raw!r:.80}.")
        if utterance in words:
            raise UserError(f"{table}, line {number}: {utterance} is already on line {lines[utterance]}.")
        if utterance:
            words[utterance], lines[utterance] = transcript.strip(), number
    refuse_unpaired(
        [f"{table}: no {utterance}.flac beside it" for utterance in words if utterance not in audio_ids],
        "Unpack the archive again.",
    )
    refuse_unpaired(
        [f"{chapter / utterance}.flac has no line in {table.name}" for utterance in sorted(audio_ids - set(words))],
        "Unpack the archive again.",
    )
    for utterance, transcript in words.items():
        audio = partial(read_input_file, f"{utterance}.flac", chapter, "audio file")
        yield Example(utterance, LazyValues(inputs=audio, targets=transcript))
