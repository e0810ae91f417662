"""Measure how long a save interrupts training, compared with a step.

    python benchmarks/saving.py --hparams_sets=multimodel_tiny,multimodel_base --work_dir=work

A run of the built-in eight saves several times, as it does during training. It prints the medians of a complete save
and of its parts: reading the tensors from the net and the optimizer, their checksum, and the file, written and flushed.
With `--steps` the run takes that many steps, and the median of a step is printed too.
"""

import argparse
import shutil
import time
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

from clock import peak_memory, seconds

from t2t_mm.bin.problem_names import problem_names


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", default="builtin")
    parser.add_argument("--hparams_sets", default="multimodel_tiny")
    parser.add_argument("--hparams", default="")
    parser.add_argument("--work_dir", type=Path, required=True, help="data and checkpoints are written here")
    parser.add_argument("--steps", type=int, default=0, help="steps that are timed")
    parser.add_argument("--times", type=int, default=3)
    options = parser.parse_args()
    print(f"{'':20}{'checkpoint':>12}{'a save':>10}{'tensors':>10}{'checksum':>10}{'file':>10}{'a step':>10}")
    for hparams_set in options.hparams_sets.split(","):
        measure(hparams_set, options)
    print(f"peak memory of the process: {peak_memory() / 2**30:.1f} GiB")


def measure(hparams_set: str, options: argparse.Namespace) -> None:
    """Print the row of one hparam set."""
    from t2t_mm import runs
    from t2t_mm.run_config import RunConfig
    from t2t_mm.train import checkpoint
    from t2t_mm.train.logs.training_log import TrainingLog

    folder = options.work_dir / "saving"
    shutil.rmtree(folder, ignore_errors=True)
    config = RunConfig(
        problems=problem_names(options.problems),
        hparams_set=hparams_set,
        hparams=options.hparams,
        data_dir=options.work_dir / "data",
        tmp_dir=options.work_dir,
        output_dir=folder,
        train_steps=max(1, options.steps),
        save_checkpoints_secs=0,
        keep_checkpoint_max=1,
    )
    trainer = runs.run(config).trainer
    steps: list[float] = []
    noted = TrainingLog.step

    def note(self: Any, step: int, records: Any, taken: float, *rest: Any) -> None:
        steps.extend([] if rest[-1] else [taken])  # the last argument is the time that compiling took
        noted(self, step, records, taken, *rest)

    if options.steps:
        with patch.object(TrainingLog, "step", note):
            trainer.train()
    wrote, summed = checkpoint.write, checkpoint._checksum
    parts: dict[str, list[float]] = {"total": [], "write": [], "checksum": []}

    def timed(name: str, call: Any) -> Any:
        def run(*arguments: Any) -> Any:
            started = time.perf_counter()
            result = call(*arguments)
            parts[name].append(time.perf_counter() - started)
            return result

        return run

    with (
        patch.object(checkpoint, "write", timed("write", wrote)),
        patch.object(checkpoint, "_checksum", timed("checksum", summed)),
    ):
        for _ in range(options.times + 1):  # the first one allocates memory, and is not counted
            parts["total"].append(seconds(trainer.save))
    size = checkpoint.path_of(folder, trainer.step).stat().st_size
    total, write, checksum = (median(parts[name][1:]) for name in ("total", "write", "checksum"))
    step = f"{median(steps) * 1e3:7.0f} ms" if steps else f"{'-':>10}"
    print(
        f"{hparams_set:20}{size / 1e6:9,.0f} MB{total:8.2f} s{total - write:8.2f} s{checksum:8.2f} s"
        f"{write - checksum:8.2f} s{step}",
        flush=True,
    )
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
