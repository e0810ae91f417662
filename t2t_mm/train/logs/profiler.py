"""Base class of profilers, one per backend; `profile.profiler` picks one."""

import abc
import re
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

FILES = "plugins/profile/*/*.xplane.pb"  # below the folder of a profile, where TensorBoard looks too


@dataclass(frozen=True)
class Operation:
    """CPU time spent in one kind of operation of one part of the model."""

    scope: str  # such as gradient_tape/net/body/encoder/block_1; "" if the backend does not record scopes
    kind: str
    seconds: float


class Profiler(abc.ABC):
    """Recorder of one profile at a time."""

    @abc.abstractmethod
    def start(self, folder: Path) -> None:
        """Start recording."""

    @abc.abstractmethod
    def stop(self) -> None:
        """Stop recording and write the profile below the folder."""

    @abc.abstractmethod
    def step(self, number: int) -> AbstractContextManager[object]:
        """Return a context whose operations are recorded as training step `number`."""

    @abc.abstractmethod
    def read(self, path: Path) -> list[Operation]:
        """Return the CPU operations of a profile; an empty list if an accelerator took part."""


def kind_of(name: str) -> str:
    """Return the kind of an operation, its name without the number: `fusion` for `fusion.12`."""
    return re.sub(r"[._]\d+$", "", name)


def newest(folder: Path) -> Path:
    """Return the path of the profile that was written last."""
    return max(folder.glob(FILES), key=lambda path: path.stat().st_mtime)
