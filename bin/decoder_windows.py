"""Windows of a long file: the decoder answers window by window, so that a killed command loses at most one.

Answered windows are kept in a folder beside the target until the last one is there. Then they become the target by an
atomic write, and the folder is removed. A worker of several takes a range of windows; the targets of all workers,
concatenated, are byte for byte the target of one worker alone.
"""

import abc
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from t2t_mm.atomic_file import atomic_write
from t2t_mm.bin.decoder_answers import Answered
from t2t_mm.errors import UserError

WINDOW_LINES = 256  # in a window, at least
WINDOW_BATCHES = 8  # in a window, at least, so that a batch finds lines of similar length
UNFINISHED = ".unfinished"  # ends the name of the folder of answered windows

Write = Callable[[], Answered]


def window_lines(batch_size: int) -> int:
    """Return the number of lines in a window: it bounds memory, and what a killed command loses."""
    return max(WINDOW_LINES, WINDOW_BATCHES * batch_size)


def windows_of(lines: Iterator[bytes], size: int) -> Iterator[tuple[int, list[bytes]]]:
    """Yield `lines` in windows of `size`, the last one shorter, with their indices."""
    index = 0
    while window := list(islice(lines, size)):
        yield index, window
        index += 1


@dataclass(frozen=True)
class WindowRange:
    """The windows that one worker decodes: `begin` to `end` - 1; with `end` None, all from `begin` on."""

    begin: int = 0
    end: int | None = None

    def of(self, windows: Iterator[tuple[int, list[bytes]]]) -> Iterator[tuple[int, list[bytes]]]:
        """Return those of `windows` that are in the range."""
        return islice(windows, self.begin, self.end)


def shard_range(windows: int, shards: int, shard: int) -> WindowRange:
    """Return the range of worker `shard`, from 0: the ranges are consecutive, and their sizes differ by at most one."""
    return WindowRange(shard * windows // shards, (shard + 1) * windows // shards)


def shard_path(target: Path, shards: int, shard: int) -> Path:
    """Return the path that worker `shard` of several writes: out.txt-00001-of-00004."""
    return target.with_name(f"{target.name}-{shard:05d}-of-{shards:05d}") if shards > 1 else target


class Sink(abc.ABC):
    """A receiver of answered windows, in their order."""

    @abc.abstractmethod
    def take(self, index: int, made_from: Mapping[str, str], write: Write) -> Answered:
        """Return window `index` as `write` answers it.

        An earlier answer made from the same `made_from` may stand in for it.
        """

    @abc.abstractmethod
    def finish(self) -> None:
        """Finish, once all windows are taken."""


class PrintedAnswers(Sink):
    """Answers on standard output; nothing is kept."""

    def take(self, index: int, made_from: Mapping[str, str], write: Write) -> Answered:
        """Print the window as `write` answers it."""
        answered = write()
        print(*answered.lines, sep="\n", flush=True)
        return answered

    def finish(self) -> None:
        """Do nothing: the windows are printed."""


class ResumableFile(Sink):
    """Answers in a folder beside the target, a file for each window, until all are there.

    A window that an earlier command answered is reused if its `made_from` is equal. `report` is called, once, with the
    names that differ.
    """

    def __init__(self, target: Path, folder: Path, report: Callable[[str], None]) -> None:
        self.target, self.folder, self.report = target, folder, report
        self._windows: list[Path] = []
        self._reported = False

    def take(self, index: int, made_from: Mapping[str, str], write: Write) -> Answered:
        """Return the window that is kept, or keep the one that `write` answers."""
        path = self.folder / f"window-{index:08d}.json"
        self._windows.append(path)
        answered = self._find(path, made_from)
        if answered is None:
            answered = write()
            content = {"made_from": dict(made_from), "lines": answered.lines, "slips": answered.errors}
            with atomic_write(path) as partial:
                partial.write_text(json.dumps(content), encoding="utf-8")
        return answered

    def finish(self) -> None:
        """Concatenate the windows as the target, and remove their folder."""
        joined = self.folder / "whole"
        with atomic_write(joined) as partial, partial.open("w", encoding="utf-8", newline="\n") as file:
            for path in self._windows:
                file.writelines(f"{line}\n" for line in _read(path)["lines"])
        os.replace(joined, self.target)
        shutil.rmtree(self.folder)

    def _find(self, path: Path, made_from: Mapping[str, str]) -> Answered | None:
        if not path.exists():
            return None
        content = _read(path)
        different = [name for name, value in made_from.items() if content["made_from"].get(name) != value]
        if different and not self._reported:
            self._reported = True
            self.report(
                f"{self.folder} holds answers made from another {' and another '.join(different)}; these lines are "
                "decoded again."
            )
        return None if different else Answered(tuple(content["lines"]), tuple(content["slips"]))


@contextmanager
def resumable_file(target: Path, report: Callable[[str], None]) -> Iterator[ResumableFile]:
    """Keep answered windows until `target` is complete; an empty folder of windows is removed.

    Raises UserError if the folder cannot be made.
    """
    folder = target.with_name(f"{target.name}{UNFINISHED}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{target} could not be written: {error.strerror}. Choose another folder.") from None
    if any(folder.iterdir()):
        report(f"{folder} holds answers of a command that was stopped; answers to the same lines are reused.")
    try:
        yield ResumableFile(target, folder, report)
    finally:
        with suppress(OSError):  # it is not empty, or was removed once the target was complete
            folder.rmdir()


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} can't be read: {error}. If another command writes the same file, wait for it; if none does, "
            f"remove {path.parent} and start again."
        ) from None
