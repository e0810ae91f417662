"""benchmarks/soak.py, on a small scale."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import t2t_mm

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SMALL = (
    "hidden_size=8,encoder_blocks=0,mixer_blocks=0,decoder_blocks=1,experts=0,attention=False,batch_size=64,"
    "image_size=16,buckets=1,dropout=0.1,ema_decay=0.9,problem_choice=adaptive"
)


@pytest.mark.slow
def test_a_disturbed_run_ends_like_an_undisturbed_one(tmp_path):
    flags = ("--problems=translate_north_south,image_shapes", f"--hparams={SMALL}", "--steps=400", "--faults=1")
    kinds = "--kinds=SIGTERM,disk,cannot grow,checkpoint,records"
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "soak.py"), f"--work_dir={tmp_path}", *flags, kinds],
        env={**os.environ, "PYTHONPATH": str(Path(t2t_mm.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.strip("| ").split("|") for line in done.stdout.splitlines() if line.startswith("|")]
    tried = {row[0].strip(): row[1].strip() for row in rows[2:]}
    assert tried.pop("all") == "4" and set(tried.values()) == {"1"}, done.stdout
    assert "compared at step 400: " in done.stdout and "the interleaving: equal" in done.stdout
    assert done.stdout.endswith("Nothing was lost.\n")
