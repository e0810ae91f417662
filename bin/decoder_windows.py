"""How a long file is decoded: window by window, so that what was answered outlives a command that is killed.

Answered windows are kept in a folder beside the target until the last one is there; the target then takes its name
whole, and the folder goes. A worker of several takes a range of whole windows, so that the targets of all, one behind
the other, are to the byte what one worker alone would have written.
"""

import abc
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from t2t_mm.atomic_file import whole_file
from t2t_mm.bin.decoder_answers import Answered
from t2t_mm.errors import UserError

LEAST = 256  # lines of a window
BATCHES = 8  # in a window at least, so that lines of like lengths are found for each
UNFINISHED = ".unfinished"  # how the name of the folder ends

Write = Callable[[], Answered]


def window_lines(batch_size: int) -> int:
    """The lines of a window: what bounds memory, and what a killed command loses at most."""
    return max(LEAST, BATCHES * batch_size)


def windows_of(lines: Iterator[bytes], size: int) -> Iterator[tuple[int, list[bytes]]]:
    """`lines` in windows of `size`, the last one shorter, with their indices."""
    index = 0
    while window := list(islice(lines, size)):
        yield index, window
        index += 1


@dataclass(frozen=True)
class Share:
    """The windows that one of several workers decodes: begin to end - 1; `end` None for all that come."""

    begin: int = 0
    end: int | None = None

    def of(self, windows: Iterator[tuple[int, list[bytes]]]) -> Iterator[tuple[int, list[bytes]]]:
        return islice(windows, self.begin, self.end)


def share(windows: int, shards: int, shard: int) -> Share:
    """The share of worker `shard`, counted from 0: the workers' shares follow one another and differ by one at most."""
    return Share(shard * windows // shards, (shard + 1) * windows // shards)


def shard_path(target: Path, shards: int, shard: int) -> Path:
    """Where worker `shard` of several writes: out.txt-00001-of-00004."""
    return target.with_name(f"{target.name}-{shard:05d}-of-{shards:05d}") if shards > 1 else target


class Sink(abc.ABC):
    """Where answered windows go, in their order."""

    @abc.abstractmethod
    def take(self, index: int, made_from: Mapping[str, str], write: Write) -> Answered:
        """Window `index`, as it was answered before from the same things, or else as `write` answers it now."""

    @abc.abstractmethod
    def finish(self) -> None:
        """All windows are there."""


class Printed(Sink):
    """On standard output; nothing is kept."""

    def take(self, index: int, made_from: Mapping[str, str], write: Write) -> Answered:
        answered = write()
        print(*answered.lines, sep="\n", flush=True)
        return answered

    def finish(self) -> None:
        """They were printed as they came."""


class Kept(Sink):
    """In a folder beside the target, one file each, until the target is whole.

    Windows are found again by the names in `made_from`; `report` is told, once, in what those found differ.
    """

    def __init__(self, target: Path, folder: Path, report: Callable[[str], None]) -> None:
        self.target, self.folder, self.report = target, folder, report
        self._taken: list[Path] = []
        self._differed = False

    def take(self, index: int, made_from: Mapping[str, str], write: Write) -> Answered:
        path = self.folder / f"window-{index:08d}.json"
        self._taken.append(path)
        answered = self._find(path, made_from)
        if answered is None:
            answered = write()
            with whole_file(path) as partial:
                partial.write_text(json.dumps({"made_from": dict(made_from), **asdict(answered)}), encoding="utf-8")
        return answered

    def finish(self) -> None:
        """Put the windows together as the target, and remove what was kept."""
        whole = self.folder / "whole"
        with whole_file(whole) as partial, partial.open("w", encoding="utf-8", newline="\n") as file:
            for path in self._taken:
                file.writelines(f"{line}\n" for line in _read(path)["lines"])
        os.replace(whole, self.target)
        shutil.rmtree(self.folder)

    def _find(self, path: Path, made_from: Mapping[str, str]) -> Answered | None:
        if not path.exists():
            return None
        found = _read(path)
        other = [name for name, value in made_from.items() if found["made_from"].get(name) != value]
        if other and not self._differed:
            self._differed = True
            self.report(
                f"{self.folder} holds answers made from another {' and another '.join(other)}; they are made anew."
            )
        return None if other else Answered(tuple(found["lines"]), tuple(found["slips"]))


@contextmanager
def kept(target: Path, report: Callable[[str], None]) -> Iterator[Kept]:
    """Keep what is answered until `target` is whole; a folder that nothing was kept in goes.

    Raises UserError when the folder can't be made.
    """
    folder = target.with_name(f"{target.name}{UNFINISHED}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{target} could not be written: {error.strerror}. Choose another folder.") from None
    if any(folder.iterdir()):
        report(f"{folder} holds answers of a command that was stopped; what fits is kept.")
    try:
        yield Kept(target, folder, report)
    finally:
        with suppress(OSError):  # it is not empty, or gone since the target is whole
            folder.rmdir()


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} can't be read: {error}. If another command writes the same file, wait for it; if none does, "
            f"remove {path.parent} and start again."
        ) from None
