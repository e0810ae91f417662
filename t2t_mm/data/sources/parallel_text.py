"""Sentences in several languages, one file for each, whose equal line numbers are translations."""

import gzip
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from t2t_mm.data.sources.archives import readable
from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, TEST, TRAIN, Example, Source

Stems = Mapping[str, str | tuple[str, ...]]
BLOCK = 2**20  # bytes read at a time to count lines
STEMS: Stems = {TRAIN: "train", DEV: "val", TEST: "test"}


@dataclass(frozen=True)
class ParallelText(Source):
    """Line-aligned files `<stem>.<language>` or `<stem>.<language>.gz` in `folder`, UTF-8, one sentence on each line.

    `stems` names each split's files; of several stems the first that exists is used. The test split may be missing. Ids
    are split and line, counted from 1: `train/17`. Only a line feed ends a line. Blanks at both ends of a line are
    removed.
    """

    folder: str  # below tmp_dir
    inputs: str  # the suffix of the source language, such as "en"
    targets: str  # the suffix of the target language
    stems: Stems = field(default_factory=lambda: STEMS)
    homepage: str = ""  # where to get the corpus

    def reversed(self) -> "ParallelText":
        """Return the same corpus in the opposite direction."""
        return replace(self, inputs=self.targets, targets=self.inputs)

    def present(self, tmp_dir: Path) -> bool:
        return (tmp_dir / self.folder).is_dir()

    def splits(self, tmp_dir: Path) -> tuple[str, ...]:
        for split in (TRAIN, DEV):
            for language in (self.inputs, self.targets):
                self._file(tmp_dir, split, language)
        sides = [self._find(tmp_dir, TEST, language) for language in (self.inputs, self.targets)]
        return (TRAIN, DEV, TEST) if all(sides) else (TRAIN, DEV)

    def count(self, split: str, tmp_dir: Path) -> int:
        """Return the number of lines. Raises UserError if the two files differ in it."""
        paths = self._sides(split, tmp_dir)
        counts = [_count_lines(path) for path in paths]
        if counts[0] != counts[1]:
            raise UserError(
                f"Parallel files must have the same number of lines: {paths[0]} has {counts[0]:,}, "
                f"{paths[1]} has {counts[1]:,}. They are out of step from line {min(counts) + 1:,} or before."
            )
        return counts[0]

    def examples(self, split: str, tmp_dir: Path) -> Iterator[Example]:
        return self.examples_from(split, tmp_dir, 0)

    def examples_from(self, split: str, tmp_dir: Path, start: int) -> Iterator[Example]:
        self.count(split, tmp_dir)
        paths = self._sides(split, tmp_dir)
        pairs = zip(_lines(paths[0], start), _lines(paths[1], start), strict=True)
        for number, (read, written) in enumerate(pairs, start=start + 1):
            yield Example(f"{split}/{number}", {"inputs": read, "targets": written})

    def _sides(self, split: str, tmp_dir: Path) -> tuple[Path, Path]:
        return self._file(tmp_dir, split, self.inputs), self._file(tmp_dir, split, self.targets)

    def _find(self, tmp_dir: Path, split: str, language: str) -> Path | None:
        """Return the file of one language, or None. Both languages use the first stem that exists for either."""
        folder = tmp_dir / self.folder
        for stem in self._stems(split):
            sides = [
                folder / f"{stem}.{side}{suffix}" for side in (self.inputs, self.targets) for suffix in ("", ".gz")
            ]
            if any(side.is_file() for side in sides):
                plain = folder / f"{stem}.{language}"
                return next((path for path in (plain, plain.with_name(plain.name + ".gz")) if path.is_file()), None)
        return None

    def _stems(self, split: str) -> tuple[str, ...]:
        stems = self.stems.get(split, ())
        return (stems,) if isinstance(stems, str) else stems

    def _file(self, tmp_dir: Path, split: str, language: str) -> Path:
        path = self._find(tmp_dir, split, language)
        if path is None:
            names = [f"{stem}.{language}" for stem in self._stems(split)]
            wanted = [
                " or ".join(f"{stem}.{side}" for stem in self._stems(part))
                for part in (TRAIN, DEV)
                for side in (self.inputs, self.targets)
            ]
            raise UserError(
                f"{tmp_dir / self.folder} holds no {' or '.join(f'{name} or {name}.gz' for name in names)}. Expected "
                f"there: {', '.join(wanted)}, each plain or .gz, a sentence a line."
                f"{f' Get it from {self.homepage}.' if self.homepage else ''}"
            )
        return path


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO | gzip.GzipFile]:
    with readable(path), gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        yield file


def _count_lines(path: Path) -> int:
    state = path.stat()
    return _lines_in(path, state.st_size, state.st_mtime_ns)


@lru_cache(16)
def _lines_in(path: Path, size: int, changed: int) -> int:
    """Return the number of lines of a file. It is counted once per size and modification time, for all shards."""
    count, end = 0, b"\n"
    with _opened(path) as file:
        while block := file.read(BLOCK):
            count += block.count(b"\n")
            end = block[-1:]
    return count + (end != b"\n")


def _lines(path: Path, start: int) -> Iterator[str]:
    """Yield all lines but the first `start`."""
    with _opened(path) as file:
        for number, line in enumerate(islice(file, start, None), start=start + 1):
            try:
                yield line.decode("utf-8").strip()
            except UnicodeDecodeError as error:
                raise UserError(
                    f"{path}, line {number}: the byte {line[error.start]:#04x} at column {error.start + 1} is not "
                    f"UTF-8."
                ) from None
