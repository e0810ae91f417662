"""The README's quick blocks run as they stand: fenced bash or python directly below a line `<!-- quick -->`.

Blocks run one after the other in one empty folder, so a later one may read what an earlier one wrote.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import t2t_mm

ROOT = Path(__file__).parents[1]
QUICK = re.compile(r"^<!-- quick -->\n+```(bash|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks() -> list[tuple[str, str]]:
    """(language, code) of every quick block, in order."""
    return QUICK.findall((ROOT / "README.md").read_text(encoding="utf-8"))


def test_every_mark_has_a_block_and_there_is_one():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(blocks()) == text.count("<!-- quick -->") > 0


@pytest.mark.slow
def test_the_quick_blocks_run(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(Path(t2t_mm.__file__).parents[1])}
    environment["PATH"] = f"{commands(tmp_path / 'bin')}{os.pathsep}{os.environ['PATH']}"
    (tmp_path / "work").mkdir()
    for language, code in blocks():
        program = ["bash", "-euo", "pipefail", "-c", code] if language == "bash" else [sys.executable, "-c", code]
        done = subprocess.run(program, cwd=tmp_path / "work", env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"


def commands(folder: Path) -> Path:
    """The commands on a PATH, leading to the package under test, installed or not."""
    folder.mkdir()
    for name in ("trainer", "decoder", "datagen"):
        script = folder / f"t2t-mm-{name}"
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m t2t_mm.bin.{name} "$@"\n')
        script.chmod(0o755)
    return folder


def test_the_readme_tells_how_the_tests_are_run_and_ci_does_the_same():
    install = "python3 -m venv .venv && .venv/bin/pip install '.[test]'"
    told = f'{install} && .venv/bin/pytest -m "not slow" -n 2 --dist=worksteal'
    assert told in (ROOT / "README.md").read_text(encoding="utf-8")
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert all(part in ci for part in ("python3 -m venv", "'.[test]'", '"not slow"', "-n 2 --dist=worksteal"))
