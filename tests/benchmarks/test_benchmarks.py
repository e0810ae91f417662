"""Benchmarks run and print their tables, at sizes too small for a measurement. test_soak.py tests `soak.py`."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

import t2t_mm

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SMALL = (
    "--hparams_set=multimodel_demo",
    (
        "--hparams=hidden_size=16,encoder_blocks=1,mixer_blocks=0,decoder_blocks=1,experts=4,expert_size=16,attention_heads=2,"
        "batch_size=64"
    ),
)
TEXT = *SMALL, "--vocabulary=32"
PROBLEM = "translate_north_south"
COMMANDS = {
    "datagen.py": (f"--problems={PROBLEM}", "--work_dir=work", "--tmp_dir=.", "--max_cases=20", "--turns=1"),
    "decoding.py": (*TEXT, "--turns=1", "--no-long", "--rows=2", "--ids=4", "--positions=8"),
    "jax_step.py": (*TEXT, "--rows=2", "--length=4", "--steps=1", "--decode_rows=2", "--positions=4"),
    "loop.py": (*SMALL, f"--problems={PROBLEM}", "--data_dir=data", "--steps=3"),
    "saving.py": (
        f"--problems={PROBLEM}",
        "--work_dir=work",
        "--hparams_sets=multimodel_demo",
        "--times=1",
        "--steps=3",
    ),
    "scaling.py": (*SMALL, "--rows=2", "--length=4", "--turns=1"),
    "parallel_microbatches.py": (*TEXT, "--rows=4", "--length=4", "--turns=1"),
    "start.py": ("--hparams_set=multimodel_demo", "--work_dir=work", "--times=1", "--runs=1"),
    "step.py": (*TEXT, "--rows=2", "--length=4", "--turns=1"),
    "translation_quality.py": (*SMALL, f"--problem={PROBLEM}", "--tmp_dir=.", "--work_dir=work", "--minutes=0.01"),
}
SAYS = {
    "datagen.py": (PROBLEM, "r/s"),
    "decoding.py": ("greedy, batch 1", "tokens/s", "beam 4 : greedy", "GFLOP/s before"),
    "jax_step.py": ("train multimodel_demo", "TFLOP/s", "decode 2 rows of 4 ids"),
    "loop.py": (PROBLEM, "waiting", "tracing: 1 kinds of step", "GFLOP/s", "GB beyond"),
    "saving.py": ("multimodel_demo", " ms"),
    "scaling.py": ("eight registered", "240 experts", "floor", "GiB"),
    "parallel_microbatches.py": ("one batch", "2 micro-batches in parallel", "GFLOP/s"),
    "start.py": ("--registry_help", "command to first step", "GFLOP/s"),
    "step.py": ("of a plain product's", "ConvBlock", "mixing", "attention", "output layer", "ns a parameter"),
    "translation_quality.py": ("nats per character", "target tokens/s", "BLEU", "GFLOP/s", "peak memory"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_a_benchmark_prints_its_table(name, tmp_path):
    backend = {}
    if name == "jax_step.py":
        if importlib.util.find_spec("jax") is None:
            pytest.skip("no jax here")
        backend = {"KERAS_BACKEND": "jax"}
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / name), *COMMANDS[name]],
        env={**os.environ, **backend, "PYTHONPATH": str(Path(t2t_mm.__file__).parents[1])},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for words in SAYS[name]:
        assert words in done.stdout, done.stdout
