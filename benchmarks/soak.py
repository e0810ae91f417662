"""Soak test: compare a long run that is disturbed all the time with one that is not, to the last bit.

    python benchmarks/soak.py --work_dir=work --steps=2000 --faults=5

Real processes of t2t-mm-trainer train a small net on the built-in eight. Faults come at random moments, `--faults` of
each kind: SIGKILL between two saves, during a save and during a start, SIGTERM, a full disk, flipped bits in the newest
checkpoint and in records. After each fault the same command is started again, if its process ended. At the end the
weights, the optimizer's slots, step counts, the averages of the mixture and each problem's position in its data are
compared with those of the other run. It ends with 1 if anything is not as it should be.
"""

import argparse
import random
import shutil
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from soak_faults import (
    Fault,
    FullDisk,
    break_checkpoint,
    break_records,
    kill,
    kill_saving,
    kill_starting,
    terminate,
)
from soak_run import RunEnded, RunStuck, SoakRun

from t2t_mm.errors import UserError
from t2t_mm.evaluation.table import Table
from t2t_mm.run_tools.diff_runs import differences
from t2t_mm.train import checkpoint

# Small, and with all that has a state of its own: experts, dropout, averages of weights, and rates that follow losses.
HPARAMS = (
    "hidden_size=16,encoder_blocks=0,mixer_blocks=0,decoder_blocks=1,experts=4,expert_size=16,attention_heads=2,"
    "batch_size=128,image_size=16,buckets=2,dropout=0.1,ema_decay=0.99,problem_choice=adaptive"
)
KEPT = 3  # checkpoints


@dataclass(frozen=True)
class Planned:
    """A fault that will come."""

    kind: str
    step: int  # behind whose checkpoint it comes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work_dir", type=Path, required=True, help="data and runs are written here")
    parser.add_argument("--problems", default="builtin")
    parser.add_argument("--hparams_set", default="multimodel_demo")
    parser.add_argument("--hparams", default=HPARAMS)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--save_every", type=int, default=10, help="steps between two checkpoints")
    parser.add_argument("--faults", type=int, default=5, help="of each kind")
    parser.add_argument("--kinds", default="", help="those whose names hold one of these words; default: all")
    parser.add_argument("--seed", type=int, default=0, help="of the faults")
    options = parser.parse_args()
    flags = [
        f"--problems={options.problems}",
        f"--hparams_set={options.hparams_set}",
        f"--hparams={options.hparams}",
        f"--tmp_dir={options.work_dir}",
        f"--train_steps={options.steps}",
        "--save_checkpoints_secs=0",
        f"--keep_checkpoint_max={KEPT}",
        "--schedule=train",
    ]
    started = time.monotonic()
    calm = undisturbed(options.work_dir, options.save_every, flags)
    print(f"the run that is left alone: {options.steps} steps in {time.monotonic() - started:.0f} s", flush=True)
    data = options.work_dir / "data-disturbed"
    shutil.rmtree(data, ignore_errors=True)
    shutil.copytree(calm.data_dir, data)
    with FullDisk(options.work_dir / "disk").there(place(calm, options.steps)) as disk:
        shutil.rmtree(disk.folder / "run", ignore_errors=True)
        run = SoakRun(disk.folder / "run", data, options.save_every, flags)
        run.interval = calm.between_saves()
        return soak(run, calm, disk, options)


def undisturbed(work_dir: Path, save_every: int, flags: list[str]) -> SoakRun:
    """Return the run without faults, at its end."""
    shutil.rmtree(work_dir / "calm", ignore_errors=True)
    run = SoakRun(work_dir / "calm", work_dir / "data", save_every, flags)
    run.start()
    if code := run.end():
        raise SystemExit(f"The run that is left alone ended with {code}:\n{run.output()}")
    return run


def place(calm: SoakRun, steps: int) -> int:
    """Return the megabytes that the disturbed run needs, and half as much again."""
    size = checkpoint.path_of(calm.output_dir, steps).stat().st_size
    others = sum(path.stat().st_size for path in calm.output_dir.iterdir() if path.suffix != ".safetensors")
    return 16 + int((size * (KEPT + 2) + 4 * others) * 1.5 / 1e6)


def soak(run: SoakRun, calm: SoakRun, disk: FullDisk, options: argparse.Namespace) -> int:
    """Disturb `run` until its end, and print the result. Returns the exit code."""
    kinds: dict[str, Fault] = {
        "SIGKILL between saves": kill,
        "SIGKILL while saving": kill_saving,
        "SIGKILL while starting": kill_starting,
        "SIGTERM": terminate,
        disk.kind: disk.fault,
        "flipped bit in a checkpoint": break_checkpoint,
        "flipped bits in records": break_records,
    }
    words = options.kinds.split(",")
    chosen = {kind: fault for kind, fault in kinds.items() if any(word in kind for word in words)}
    rng = random.Random(options.seed)
    tried: Counter[str] = Counter()
    wrong: list[str] = []
    started = time.monotonic()
    try:
        for planned in plan(list(chosen), options.faults, options.steps, rng):
            run.reach(planned.step)
            at = run.newest
            failures = chosen[planned.kind](run, rng)
            tried[planned.kind] += 1
            wrong += [f"{planned.kind}, at step {at}: {each}" for each in failures]
            print(f"step {at:6}  {planned.kind:28} {'WRONG' if failures else 'as it should be'}", flush=True)
        run.start()
        if code := run.end():
            wrong.append(f"the last process ended with {code}: {run.output()[-500:]}")
    except RunEnded:
        pass
    except RunStuck as stuck:
        wrong.append(str(stuck))
    show(tried, chosen, run, time.monotonic() - started)
    wrong += unequal(run, calm, options.steps)
    print("\n".join(["what went wrong:", *wrong] if wrong else ["Nothing was lost."]))
    return 1 if wrong else 0


def plan(kinds: list[str], each: int, steps: int, rng: random.Random) -> list[Planned]:
    """Return `each` faults of every kind, sorted by step; none in the last fifth, where the run may be over."""
    drawn = [Planned(kind, rng.randrange(int(steps * 0.8))) for kind in kinds for _ in range(each)]
    return sorted(drawn, key=lambda fault: fault.step)


def show(tried: Counter[str], kinds: dict[str, Fault], run: SoakRun, seconds: float) -> None:
    """Print the table of faults."""
    rows = [[kind, str(tried[kind])] for kind in kinds] + [["all", str(sum(tried.values()))]]
    print()
    Table("Faults", ["fault", "tried"], rows).show(Console())
    print(
        f"\nprocesses: {run.starts} in {seconds:.0f} s, of which {len(run.began_at())} came to train\n"
        f"steps taken again: {run.repeated()} at most\npartial checkpoints left: {run.partial_checkpoints}"
    )


def unequal(run: SoakRun, calm: SoakRun, steps: int) -> list[str]:
    """Return the differences of the last checkpoints of the two runs, after printing what was compared."""
    try:
        one, other = (checkpoint.load(checkpoint.path_of(each.output_dir, steps)) for each in (calm, run))
    except UserError as error:
        return [str(error)]
    lines = differences(one, other)
    numbers = sum(tensor.size for tensor in one[0].values())
    print(
        f"compared at step {steps}: {len(one[0])} tensors of {numbers:,} numbers (weights, slots, averages, step "
        f"counts), {len(one[1]['positions'])} places in data, the interleaving: {'different' if lines else 'equal'}"
    )
    return [f"undisturbed and disturbed, {line}" for line in lines[:10]]


if __name__ == "__main__":
    sys.exit(main())
