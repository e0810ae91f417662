"""Measure how long commands take to answer, and a training command to reach its first step.

    python benchmarks/start.py --work_dir=work

Each command is run as a user runs it, in a process of its own, several times; medians are printed. The run of the
built-in eight uses data that exists (the first command generates it, untimed) and is stopped once its log has a step.
"""

import argparse
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from clock import gemm_rate

TRAINER = [sys.executable, "-m", "t2t_mm.bin.trainer"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work_dir", type=Path, required=True, help="data and runs are written here")
    parser.add_argument("--hparams_set", default="multimodel_tiny")
    parser.add_argument("--times", type=int, default=5, help="runs of each command that answers at once")
    parser.add_argument("--runs", type=int, default=3, help="runs of the built-in eight")
    options = parser.parse_args()
    print(f"an empty Python program      {median(seconds([sys.executable, '-c', ''], options.times)):6.2f} s")
    for flag in ("--help", "--registry_help"):
        print(f"t2t-mm-trainer {flag:14}{median(seconds([*TRAINER, flag], options.times)):6.2f} s", flush=True)
    command = [
        *TRAINER,
        "--problems=builtin",
        f"--hparams_set={options.hparams_set}",
        f"--data_dir={options.work_dir / 'data'}",
        f"--tmp_dir={options.work_dir}",
        "--train_steps=10000",
    ]
    subprocess.run(
        [*command, f"--output_dir={options.work_dir / 'plan'}", "--dry_run"], check=True, capture_output=True
    )
    taken = [first_step(command, options.work_dir / f"run-{number}") for number in range(options.runs)]
    print(f"built-in eight, {options.hparams_set}: command to first step {median(taken):.1f} s")
    print(f"a plain product of two matrices: {gemm_rate():.0f} GFLOP/s")


def seconds(command: list[str], times: int) -> list[float]:
    """Return the seconds of each of `times` runs of a command."""
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        taken.append(time.perf_counter() - started)
    return taken


def first_step(command: list[str], output_dir: Path) -> float:
    """Return the seconds from the command to the first step in its log."""
    shutil.rmtree(output_dir, ignore_errors=True)
    started = time.time()
    process = subprocess.Popen([*command, f"--output_dir={output_dir}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    log = output_dir / "log.jsonl"
    while process.poll() is None:
        lines = log.read_text().splitlines() if log.exists() else []
        steps = [line for line in map(json.loads, lines) if line["kind"] == "training"]
        if steps:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            return steps[0]["time"] - started
        time.sleep(0.1)
    raise SystemExit(f"The run ended before its first step:\n{process.communicate()[1].decode()}")


if __name__ == "__main__":
    main()
