"""t2t-mm-diff-runs --again: train two runs again from where they were last equal, to find the step where they part.

Both are trained by the commands that they record, and save more often than before; rounds narrow the interval until one
step is left. Whether each run repeats its own checkpoint shows where to look: settings and data come with the command,
the machine and the code do not.
"""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from t2t_mm import run_directory
from t2t_mm.errors import UserError
from t2t_mm.run_tools.diff_runs import Divergence, differences, find_divergence
from t2t_mm.train import checkpoint

SAVES = 10  # checkpoints of a round, at least, where there are so many steps
LINES = 10  # of differences that are printed
POLL_SECONDS = 0.05  # between two looks at a process
Report = Callable[[str], None]


def narrow(first: Path, second: Path, divergence: Divergence, report: Report) -> None:
    """Find the exact step at which `first` and `second` part, and report it.

    Both are trained again in a temporary folder. Raises UserError if a run does not record the command that trained it,
    and if that command fails.
    """
    runs = {"first": first, "second": second}
    equal, different = divergence.equal or 0, divergence.different or 0
    with TemporaryDirectory(prefix="t2t-mm-diff-runs-") as folder:
        again = {name: Path(folder) / name for name in runs}
        rounds = 0
        while True:
            every = _interval(equal, different)
            saves = "after every step" if every == 1 else f"every {every:,} steps"
            report(f"Training both runs again from step {equal:,} to {different:,}, with a checkpoint {saves}.")
            for name, run in runs.items():
                _train(run if rounds == 0 else again[name], run, equal, different, every, again[name])
            rounds += 1
            if rounds == 1:
                for name, run in runs.items():
                    repeats = "does not repeat" if _differences(run, again[name], different) else "repeats"
                    report(f"The {name} run {repeats} its own checkpoint of step {different:,}.")
            narrower = find_divergence(again["first"], again["second"])
            if narrower.different is None:
                report("Trained again, both runs are equal: the cause of the difference is not in settings or data.")
                return
            equal, different = narrower.equal or 0, narrower.different
            if different - equal <= 1:
                lines = "\n  ".join(narrower.checkpoint[:LINES])
                report(f"Trained again, the runs first differ at step {different:,}. Differences:\n  {lines}")
                return


def _train(source: Path, run: Path, step: int, until: int, every: int, folder: Path) -> None:
    """Train `run` again in `folder`, from the checkpoint of `step` in `source` to a checkpoint of step `until`."""
    config = run_directory.load(run)
    if not config.command_line:
        raise UserError(f"{run} does not record the command that trained it, so it cannot be trained again.")
    beginning = folder.with_name(f"{folder.name}-begin")
    shutil.rmtree(beginning, ignore_errors=True)
    beginning.mkdir()
    for name in (run_directory.CONFIG, *config.files):
        shutil.copy2(run / name, beginning / name)
    if step:
        path = checkpoint.path_of(source, step)
        shutil.copy2(path, beginning / path.name)
    shutil.rmtree(folder, ignore_errors=True)
    beginning.rename(folder)
    flags = [f"--output_dir={folder}", "--schedule=train", f"--save_checkpoints_steps={every}"]
    flags += ["--save_checkpoints_secs=0", "--keep_checkpoint_max=0"]
    command = [sys.executable, "-m", "t2t_mm.bin.trainer", *config.command_line[1:], *flags]
    with (folder / "output.txt").open("w+") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            while process.poll() is None and not checkpoint.path_of(folder, until).is_file():
                time.sleep(POLL_SECONDS)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()
        if not checkpoint.path_of(folder, until).is_file():
            output.seek(0)
            raise UserError(f"{run} could not be trained again. The command printed: {output.read()[-1000:]}")


def _interval(equal: int, different: int) -> int:
    """Return the steps between two checkpoints, such that `different` is the step of one."""
    most = max(1, (different - equal) // SAVES)
    return max(every for every in range(1, most + 1) if different % every == 0)


def _differences(run: Path, other: Path, step: int) -> list[str]:
    """Return what differs between two runs' checkpoints of `step`, a line each."""
    one, two = (checkpoint.load(checkpoint.path_of(folder, step)) for folder in (run, other))
    return differences(one, two)
