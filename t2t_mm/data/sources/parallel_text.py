"""Sentences in several languages, a file for each, in which equal lines say the same."""

import gzip
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, TEST, TRAIN, Example, Source

STEMS = {TRAIN: "train", DEV: "val", TEST: "test"}


@dataclass(frozen=True)
class ParallelText(Source):
    """Line-aligned files `<stem>.<language>` or `<stem>.<language>.gz`, UTF-8, one sentence a line, in `folder`.

    `stems` names each split's files; the test split may be missing. An example is named by split and line: `train/17`
    is line 17, counted from 1. Lines end at a line feed only, and blanks at either end of a line are dropped.
    """

    folder: str  # below tmp_dir
    inputs: str  # the suffix of the language read, such as "en"
    targets: str  # and of the one written
    stems: Mapping[str, str] = field(default_factory=lambda: STEMS)
    homepage: str = ""  # where the corpus is to be had

    def reversed(self) -> "ParallelText":
        """The same lines, read the other way."""
        return replace(self, inputs=self.targets, targets=self.inputs)

    def present(self, tmp_dir: Path) -> bool:
        return (tmp_dir / self.folder).is_dir()

    def splits(self, tmp_dir: Path) -> tuple[str, ...]:
        for split in (TRAIN, DEV):
            for language in (self.inputs, self.targets):
                self._file(tmp_dir, split, language)
        sides = [self._find(tmp_dir, TEST, language) for language in (self.inputs, self.targets)]
        return (TRAIN, DEV, TEST) if all(sides) else (TRAIN, DEV)

    def examples(self, split: str, tmp_dir: Path) -> Iterator[Example]:
        paths = [self._file(tmp_dir, split, language) for language in (self.inputs, self.targets)]
        counts = [_count_lines(path) for path in paths]
        if counts[0] != counts[1]:
            raise UserError(
                f"Parallel files must have as many lines each: {paths[0]} has {counts[0]:,}, "
                f"{paths[1]} has {counts[1]:,}. They stop saying the same by line {min(counts) + 1:,} at the latest."
            )
        pairs = zip(_lines(paths[0]), _lines(paths[1]), strict=True)
        for number, (read, written) in enumerate(pairs, start=1):
            yield Example(f"{split}/{number}", {"inputs": read, "targets": written})

    def _find(self, tmp_dir: Path, split: str, language: str) -> Path | None:
        if split not in self.stems:
            return None
        plain = tmp_dir / self.folder / f"{self.stems[split]}.{language}"
        return next((path for path in (plain, plain.with_name(plain.name + ".gz")) if path.is_file()), None)

    def _file(self, tmp_dir: Path, split: str, language: str) -> Path:
        path = self._find(tmp_dir, split, language)
        if path is None:
            name = f"{self.stems.get(split, split)}.{language}"
            wanted = [f"{self.stems[s]}.{x}" for s in (TRAIN, DEV) for x in (self.inputs, self.targets)]
            raise UserError(
                f"{tmp_dir / self.folder} holds no {name} or {name}.gz. Expected there: {', '.join(wanted)}, each "
                f"plain or .gz, a sentence a line.{f' To be had from {self.homepage}.' if self.homepage else ''}"
            )
        return path


def _raw_lines(path: Path) -> Iterator[bytes]:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            yield from file
    except (EOFError, gzip.BadGzipFile) as error:
        raise UserError(f"{path} is no whole gzip file ({error}); fetch it again.") from None


def _count_lines(path: Path) -> int:
    return sum(1 for _ in _raw_lines(path))


def _lines(path: Path) -> Iterator[str]:
    for number, line in enumerate(_raw_lines(path), start=1):
        try:
            yield line.decode("utf-8").strip()
        except UnicodeDecodeError as error:
            raise UserError(
                f"{path}, line {number}: the byte {line[error.start]:#04x} at column {error.start + 1} is not UTF-8."
            ) from None
