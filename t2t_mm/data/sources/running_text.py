"""Running text cut into passages of equal length, for character language models."""

import abc
import gzip
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, ClassVar

from t2t_mm.data.sources.archives import readable
from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, TEST, TRAIN, Example, Source


@dataclass(frozen=True)
class RunningText(Source, abc.ABC):
    """A corpus with one text for each split, cut into consecutive passages of `length` characters.

    The remainder is dropped.

    targets are a passage. Ids are split and place: `train/0` is the first passage.
    """

    length: int  # characters
    homepage: str = ""  # where to get the corpus

    @abc.abstractmethod
    def pieces(self, split: str, tmp_dir: Path, start: int) -> Iterator[str]:
        """Yield the text of `split` from its character `start` on, in pieces of any length."""

    def count(self, split: str, tmp_dir: Path) -> int:
        return sum(map(len, self.pieces(split, tmp_dir, 0))) // self.length

    def examples(self, split: str, tmp_dir: Path) -> Iterator[Example]:
        return self.examples_from(split, tmp_dir, 0)

    def examples_from(self, split: str, tmp_dir: Path, start: int) -> Iterator[Example]:
        place, buffer = start, ""
        for piece in self.pieces(split, tmp_dir, start * self.length):
            buffer += piece
            complete = len(buffer) - len(buffer) % self.length
            for begin in range(0, complete, self.length):
                yield Example(f"{split}/{place}", {"targets": buffer[begin : begin + self.length]})
                place += 1
            buffer = buffer[complete:]

    def _source(self) -> str:
        return f" Get it from {self.homepage}." if self.homepage else ""


@dataclass(frozen=True)
class LineFiles(RunningText):
    """One file for each split, `<stem>.<split>.txt` in `folder`, plain or .gz.

    The text is the lines, without blanks at both ends, each with a line feed after it. With `spaced`, the files hold
    single characters separated by blanks, with `_` for a blank of the text. The test file may be missing.
    """

    folder: str = ""  # below tmp_dir
    stem: str = ""
    spaced: bool = False
    names: ClassVar[Mapping[str, str]] = {TRAIN: "train", DEV: "valid", TEST: "test"}

    def present(self, tmp_dir: Path) -> bool:
        return self._find(TRAIN, tmp_dir) is not None

    def splits(self, tmp_dir: Path) -> tuple[str, ...]:
        for split in (TRAIN, DEV):
            if self._find(split, tmp_dir) is None:
                name = f"{self.stem}.{self.names[split]}.txt"
                raise UserError(f"{tmp_dir / self.folder} holds no {name}, plain or .gz.{self._source()}")
        return (TRAIN, DEV) if self._find(TEST, tmp_dir) is None else (TRAIN, DEV, TEST)

    def pieces(self, split: str, tmp_dir: Path, start: int) -> Iterator[str]:
        path = self._find(split, tmp_dir)
        if path is None:
            return
        skipped = 0
        with readable(path), gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                line = decode_ascii(raw, path, f", line {number}").strip()
                if self.spaced:
                    line = "".join(" " if character == "_" else character for character in line.split())
                line += "\n"
                yield line[max(0, start - skipped) :]
                skipped += len(line)

    def _find(self, split: str, tmp_dir: Path) -> Path | None:
        plain = tmp_dir / self.folder / f"{self.stem}.{self.names[split]}.txt"
        return next((path for path in (plain, plain.with_name(plain.name + ".gz")) if path.is_file()), None)


BLOCK = 2**20  # bytes that are read at a time


@dataclass(frozen=True)
class OneFile(RunningText):
    """One file called `name` below tmp_dir, in a folder of that name, or as the single member of `<name>.zip`.

    A byte is a character. The first 90 % of its bytes are train, then 5 % dev and 5 % test.
    """

    name: str = ""

    def present(self, tmp_dir: Path) -> bool:
        return self._find(tmp_dir) is not None

    def splits(self, tmp_dir: Path) -> tuple[str, ...]:
        if self._find(tmp_dir) is None:
            names = f"{self.name}, {self.name}.zip or a folder {self.name} with either"
            raise UserError(f"{tmp_dir} holds no {names}.{self._source()}")
        return (TRAIN, DEV, TEST)

    def count(self, split: str, tmp_dir: Path) -> int:
        path = self._find(tmp_dir)
        if path is None:
            return 0
        with readable(path), self._opened(path) as (_, size):
            begin, end = _bounds(split, size)
            return (end - begin) // self.length

    def pieces(self, split: str, tmp_dir: Path, start: int) -> Iterator[str]:
        path = self._find(tmp_dir)
        if path is None:
            return
        with readable(path), self._opened(path) as (file, size):
            begin, end = _bounds(split, size)
            file.seek(begin + start)
            left = end - begin - start
            while left > 0:
                block = file.read(min(BLOCK, left))
                if not block:
                    raise UserError(f"{path} ends before its {size:,} bytes; download it again.")
                left -= len(block)
                yield decode_ascii(block, path, "")

    def _find(self, tmp_dir: Path) -> Path | None:
        names = (self.name, f"{self.name}.zip", f"{self.name}/{self.name}", f"{self.name}/{self.name}.zip")
        return next((tmp_dir / name for name in names if (tmp_dir / name).is_file()), None)

    @contextmanager
    def _opened(self, path: Path) -> Iterator[tuple[IO[bytes], int]]:
        """Open the text's file, and yield it with its size in bytes."""
        if path.suffix != ".zip":
            with path.open("rb") as file:
                yield file, path.stat().st_size
            return
        with zipfile.ZipFile(path) as archive:
            if self.name not in archive.namelist():
                raise UserError(f"{path} holds no {self.name}; found: {', '.join(archive.namelist()) or 'nothing'}.")
            with archive.open(self.name) as member:
                yield member, archive.getinfo(self.name).file_size


def _bounds(split: str, size: int) -> tuple[int, int]:
    """Return the start and the end of a split in a file of `size` bytes."""
    first, last = {TRAIN: (0, 90), DEV: (90, 95), TEST: (95, 100)}[split]
    return size * first // 100, size * last // 100


def decode_ascii(raw: bytes, path: Path, where: str) -> str:
    """Return bytes as ASCII text. Raises UserError, naming `path` and `where`, for another byte."""
    try:
        return raw.decode("ascii")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}{where}: the byte {raw[error.start]:#04x} is not ASCII.") from None
