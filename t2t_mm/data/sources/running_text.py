"""Running text cut into stretches of equal length, for language models over characters."""

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
    """Each split one text, cut into stretches of `length` characters, one after another; what is left over is dropped.

    targets are a stretch. An example is named by split and place: `train/0` is the first stretch.
    """

    length: int  # characters
    homepage: str = ""  # where the corpus is to be had

    @abc.abstractmethod
    def pieces(self, split: str, tmp_dir: Path, start: int) -> Iterator[str]:
        """The text of `split` from its character `start` on, in pieces of any length."""

    def count(self, split: str, tmp_dir: Path) -> int:
        return sum(map(len, self.pieces(split, tmp_dir, 0))) // self.length

    def examples(self, split: str, tmp_dir: Path) -> Iterator[Example]:
        return self.examples_from(split, tmp_dir, 0)

    def examples_from(self, split: str, tmp_dir: Path, start: int) -> Iterator[Example]:
        place, left = start, ""
        for piece in self.pieces(split, tmp_dir, start * self.length):
            left += piece
            whole = len(left) - len(left) % self.length
            for begin in range(0, whole, self.length):
                yield Example(f"{split}/{place}", {"targets": left[begin : begin + self.length]})
                place += 1
            left = left[whole:]

    def _source(self) -> str:
        return f" To be had from {self.homepage}." if self.homepage else ""


@dataclass(frozen=True)
class LineFiles(RunningText):
    """A file for each split, `<stem>.<split>.txt` in `folder`, plain or .gz: the lines, without blanks at their ends,
    each with a line feed behind it.

    With `spaced` the files hold single characters with blanks between them, `_` for a blank of the text. The test file
    may be missing.
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
        passed = 0
        with readable(path), gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                line = decoded(raw, path, f", line {number}").strip()
                if self.spaced:
                    line = "".join(" " if character == "_" else character for character in line.split())
                line += "\n"
                yield line[max(0, start - passed) :]
                passed += len(line)

    def _find(self, split: str, tmp_dir: Path) -> Path | None:
        plain = tmp_dir / self.folder / f"{self.stem}.{self.names[split]}.txt"
        return next((path for path in (plain, plain.with_name(plain.name + ".gz")) if path.is_file()), None)


BLOCK = 2**20  # bytes that are read at a time


@dataclass(frozen=True)
class OneFile(RunningText):
    """One file called `name` below tmp_dir, in a folder of that name or as the one member of `<name>.zip`.

    A byte is a character. Of its bytes the first 90 % are train, then 5 % dev and 5 % test.
    """

    name: str = ""

    def present(self, tmp_dir: Path) -> bool:
        return self._find(tmp_dir) is not None

    def splits(self, tmp_dir: Path) -> tuple[str, ...]:
        if self._find(tmp_dir) is None:
            looked = f"{self.name}, {self.name}.zip or a folder {self.name} with either"
            raise UserError(f"{tmp_dir} holds no {looked}.{self._source()}")
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
                    raise UserError(f"{path} ends before its {size:,} bytes; fetch it again.")
                left -= len(block)
                yield decoded(block, path, "")

    def _find(self, tmp_dir: Path) -> Path | None:
        names = (self.name, f"{self.name}.zip", f"{self.name}/{self.name}", f"{self.name}/{self.name}.zip")
        return next((tmp_dir / name for name in names if (tmp_dir / name).is_file()), None)

    @contextmanager
    def _opened(self, path: Path) -> Iterator[tuple[IO[bytes], int]]:
        """The text's file, and how many bytes it has."""
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
    """Where a split begins and ends in a file of `size` bytes."""
    first, last = {TRAIN: (0, 90), DEV: (90, 95), TEST: (95, 100)}[split]
    return size * first // 100, size * last // 100


def decoded(raw: bytes, path: Path, where: str) -> str:
    """Bytes as the ASCII text that they should be."""
    try:
        return raw.decode("ascii")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}{where}: the byte {raw[error.start]:#04x} is not ASCII.") from None
