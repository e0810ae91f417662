"""The contract of what records where the time goes: one for each backend, told apart at the end."""

import abc
import re
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

FILES = "plugins/profile/*/*.xplane.pb"  # below the folder of a profile, where TensorBoard looks too


@dataclass(frozen=True)
class Operation:
    """Time that a processor spent in one kind of operation of one part of the model."""

    scope: str  # such as gradient_tape/net/body/encoder/block_1; "" where the backend does not tell
    kind: str
    seconds: float


class Profiler(abc.ABC):
    """Records one profile at a time."""

    @abc.abstractmethod
    def start(self, folder: Path) -> None:
        """Record from now on."""

    @abc.abstractmethod
    def stop(self) -> None:
        """Write what was recorded below the folder."""

    @abc.abstractmethod
    def step(self, number: int) -> AbstractContextManager[object]:
        """Within, what is recorded is training step `number`."""

    @abc.abstractmethod
    def read(self, path: Path) -> list[Operation]:
        """The operations of the processor in a profile; none of one in which an accelerator took part."""


def kind_of(name: str) -> str:
    """The kind of an operation that is one of many: `fusion.12` is a `fusion`."""
    return re.sub(r"[._]\d+$", "", name)


def newest(folder: Path) -> Path:
    """The profile that was written last."""
    return max(folder.glob(FILES), key=lambda path: path.stat().st_mtime)
