"""Measure what training costs around its compiled steps: waiting for input, the loop itself, tracing, memory.

    python benchmarks/loop.py --problems=builtin --data_dir=data --steps=500

It trains a new run of the problems through the trainer, as t2t-mm-trainer does, without evaluations or checkpoints.
Data that is missing is generated first. The first call of each kind of step traces the graph; those calls are counted
separately. The time of the loop is the time from the log entry of one step to that of the next. Memory is the peak of
the process minus what it held once TensorFlow had computed something.
"""

import argparse
import resource
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import tensorflow as tf
from clock import gemm_rate, peak_memory

from t2t_mm.bin.problem_names import problem_names


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", default="builtin")
    parser.add_argument("--hparams_set", default="multimodel_tiny")
    parser.add_argument("--hparams", default="")
    parser.add_argument("--data_dir", type=Path, required=True)
    parser.add_argument("--tmp_dir", type=Path, default=Path("corpora"))
    parser.add_argument("--steps", type=int, default=500)
    options = parser.parse_args()

    float(tf.function(lambda x: tf.reduce_sum(x @ x))(tf.ones((64, 64))))
    start = resident()
    from t2t_mm import runs
    from t2t_mm.run_config import RunConfig
    from t2t_mm.train.logs.training_log import TrainingLog
    from t2t_mm.train.step.tensorflow_steps import TensorFlowCompiler

    inside: list[float] = []  # seconds in the compiled function, of each step
    total: list[tuple[str, float, float]] = []  # (problem, seconds since the last step, seconds of waiting)
    ends = [0.0]
    compiled, noted = TensorFlowCompiler.update, TrainingLog.step

    def timed(self: Any, problem: str, specs: Any) -> Any:
        program = compiled(self, problem, specs)

        def call(*arguments: Any) -> Any:
            before, started = self.traced, time.perf_counter()
            result = program(*arguments)
            taken = time.perf_counter() - started
            inside.append(taken if self.traced == before else -taken)  # below zero: it traced
            return result

        return call

    def note(self: Any, step: int, records: Any, seconds: float, waited: float, *rest: Any) -> None:
        ends.append(time.perf_counter())
        total.append((records[0].problem, ends[-1] - ends[-2], waited))
        noted(self, step, records, seconds, waited, *rest)

    with tempfile.TemporaryDirectory() as folder:
        config = RunConfig(
            problems=problem_names(options.problems),
            hparams_set=options.hparams_set,
            hparams=options.hparams,
            data_dir=options.data_dir,
            tmp_dir=options.tmp_dir,
            output_dir=Path(folder) / "run",
            train_steps=options.steps,
            save_checkpoints_secs=0,
        )
        run = runs.run(config)
        with patch.object(TensorFlowCompiler, "update", timed), patch.object(TrainingLog, "step", note):
            ends[0] = time.perf_counter()
            run.trainer.train()
    show(inside, total)
    peak = peak_memory()
    print(f"a plain product of two matrices: {gemm_rate():.0f} GFLOP/s")
    print(
        f"memory: {start / 1e9:.2f} GB when TensorFlow had started, {peak / 1e9:.2f} GB at the peak: "
        f"{(peak - start) / 1e9:.2f} GB beyond"
    )


def show(inside: list[float], total: list[tuple[str, float, float]]) -> None:
    """Print the table of problems, and the sums."""
    by_problem: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for taken, (problem, seconds, waited) in zip(inside, total, strict=True):
        if taken > 0:
            by_problem[problem].append((taken, seconds, waited))
    print(f"{'':28}{'steps':>7}{'compiled step':>16}{'waiting':>10}{'loop over compiled':>21}")
    for problem, rows in by_problem.items():
        compiled, seconds, waited = (sum(row[i] for row in rows) for i in range(3))
        print(
            f"{problem:28}{len(rows):7}{median(row[0] for row in rows) * 1e3:13.1f} ms{waited / seconds:10.2%}"
            f"{seconds / compiled:21.3f}"
        )
    rows = [row for rows in by_problem.values() for row in rows]
    compiled, seconds, waited = (sum(row[i] for row in rows) for i in range(3))
    print(f"{'all':28}{len(rows):7}{'':16}{waited / seconds:10.2%}{seconds / compiled:21.3f}")
    tracing = [-taken for taken in inside if taken < 0]
    print(f"tracing: {len(tracing)} kinds of step, {sum(tracing):.1f} s in the first {len(inside)} steps")


def resident() -> int:
    """Return the bytes of memory that the process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


if __name__ == "__main__":
    main()
