"""What tests share: a home of their own, commands as a user runs them, registries that forget."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import t2t_mm
from t2t_mm.registry import REGISTRIES

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home below tmp_path, so that no test writes into the user's."""
    home = tmp_path / "home"
    monkeypatch.setenv("T2T_MM_HOME", str(home))
    return home


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """Run a command, or Python with arguments, as a user does, on the very package that is under test."""
    package = str(Path(t2t_mm.__file__).parents[1])

    def run(name: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        program = ["-m", f"t2t_mm.bin.{name}"] if name in ("trainer", "decoder", "datagen") else [name]
        return subprocess.run(
            [sys.executable, *program, *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": package},
            capture_output=True,
            text=True,
            timeout=600,
        )

    return run


@pytest.fixture
def forgetful_registries() -> Iterator[None]:
    """What a test registers is gone after it."""
    before = {kind: (dict(registry._address), dict(registry._items)) for kind, registry in REGISTRIES.items()}
    yield
    for kind, (addresses, items) in before.items():
        REGISTRIES[kind]._address, REGISTRIES[kind]._items = addresses, items
