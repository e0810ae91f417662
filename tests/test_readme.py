"""Run the README's quick blocks as they are: fenced bash or python directly below a line `<!-- quick -->`.

A block below a line `<!-- file: PATH -->` is a file, which is written to PATH. Blocks are taken in their order in one
empty folder, so a later one may read what an earlier one wrote.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import t2t_mm

ROOT = Path(__file__).parents[1]
MARK = re.compile(r"^<!-- (?:quick|file: .*) -->$", re.MULTILINE)
BLOCK = re.compile(
    r"^<!-- (?:quick|file: (?P<path>[\w./]+)) -->\n+```(?P<language>bash|python)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


def blocks() -> list[tuple[str, str, str]]:
    """Return (path, language, code) of every marked block, in order; the path of a block to run is empty."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return [(match["path"] or "", match["language"], match["code"]) for match in BLOCK.finditer(text)]


def test_every_mark_has_a_block_and_there_are_blocks_of_both_kinds():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(blocks()) == len(MARK.findall(text))
    assert {bool(path) for path, _, _ in blocks()} == {True, False}


@pytest.mark.slow
def test_the_quick_blocks_run(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(Path(t2t_mm.__file__).parents[1])}
    environment["PATH"] = f"{commands(tmp_path / 'bin')}{os.pathsep}{os.environ['PATH']}"
    work = tmp_path / "work"
    work.mkdir()
    for path, language, code in blocks():
        if path:
            (work / path).parent.mkdir(parents=True, exist_ok=True)
            (work / path).write_text(code, encoding="utf-8")
            continue
        program = ["bash", "-euo", "pipefail", "-c", code] if language == "bash" else [sys.executable, "-c", code]
        done = subprocess.run(program, cwd=work, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"


def commands(folder: Path) -> Path:
    """Return a folder for PATH with the commands of the package under test, installed or not."""
    folder.mkdir()
    for name in ("trainer", "decoder", "datagen"):
        script = folder / f"t2t-mm-{name}"
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m t2t_mm.bin.{name} "$@"\n')
        script.chmod(0o755)
    return folder


def test_the_readme_says_how_to_run_the_tests_and_ci_does_the_same():
    install = "python3 -m venv .venv && .venv/bin/pip install '.[test]'"
    command = f'{install} && .venv/bin/pytest -m "not slow" -n 2 --dist=worksteal'
    assert command in (ROOT / "README.md").read_text(encoding="utf-8")
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert all(part in ci for part in ("python3 -m venv", "'.[test]'", '"not slow"', "-n 2 --dist=worksteal"))
