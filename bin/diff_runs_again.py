"""Two runs trained again, by the commands that they were trained by, from where they were last equal.

They save more often than the runs did, and what lies between is narrowed until one step is left. Whether each comes out
as it did says where to look: settings and data come with the command, the machine and the code do not.
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

SAVES = 10  # of a round, at least, where there are so many steps
LOOK = 0.05  # seconds between two looks at a process
Report = Callable[[str], None]


def narrow(first: Path, second: Path, found: Divergence, report: Report) -> None:
    """Find the very step at which `first` and `second` part, and tell it.

    Both are trained again in a temporary folder. Raises UserError when a run does not say what command made it, and
    when that command fails.
    """
    runs = {"first": first, "second": second}
    equal, different = found.equal or 0, found.different or 0
    with TemporaryDirectory(prefix="t2t-mm-diff-runs-") as folder:
        again = {name: Path(folder) / name for name in runs}
        rounds = 0
        while True:
            every = _interval(equal, different)
            saves = "after every step" if every == 1 else f"every {every:,} steps"
            report(f"Training both again from step {equal:,} to {different:,}, saving {saves}.")
            for name, run in runs.items():
                _train(run if rounds == 0 else again[name], run, equal, different, every, again[name])
            rounds += 1
            if rounds == 1:
                for name, run in runs.items():
                    same = not _differences(run, again[name], different)
                    report(f"The {name} comes out at step {different:,} {'as it did' if same else 'otherwise'}.")
            parted = find_divergence(again["first"], again["second"])
            if parted.different is None:
                report("Trained again, both are the same: what made them differ is not in settings or data.")
                return
            equal, different = parted.equal or 0, parted.different
            if different - equal <= 1:
                lines = "\n  ".join(parted.checkpoint[:SAVES])
                report(f"Trained again, step {different:,} is the first that differs. There:\n  {lines}")
                return


def _train(source: Path, run: Path, step: int, until: int, every: int, folder: Path) -> None:
    """Train `run` again in `folder`, from the checkpoint of `step` in `source`, with a checkpoint of `until`."""
    config = run_directory.load(run)
    if not config.command_line:
        raise UserError(f"{run} was not made by a command of its own: it cannot be trained again by one.")
    kept = folder.with_name(f"{folder.name}-begin")
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir()
    for name in (run_directory.CONFIG, *config.files):
        shutil.copy2(run / name, kept / name)
    if step:
        path = checkpoint.path_of(source, step)
        shutil.copy2(path, kept / path.name)
    shutil.rmtree(folder, ignore_errors=True)
    kept.rename(folder)
    flags = [f"--output_dir={folder}", "--schedule=train", f"--save_checkpoints_steps={every}"]
    flags += ["--save_checkpoints_secs=0", "--keep_checkpoint_max=0"]
    command = [sys.executable, "-m", "t2t_mm.bin.trainer", *config.command_line[1:], *flags]
    with (folder / "said").open("w+") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said)
        try:
            while process.poll() is None and not checkpoint.path_of(folder, until).is_file():
                time.sleep(LOOK)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()
        if not checkpoint.path_of(folder, until).is_file():
            said.seek(0)
            raise UserError(f"{run} could not be trained again. The command said: {said.read()[-1000:]}")


def _interval(equal: int, different: int) -> int:
    """Steps between two saves, such that `different` is one of them."""
    most = max(1, (different - equal) // SAVES)
    return max(every for every in range(1, most + 1) if different % every == 0)


def _differences(run: Path, other: Path, step: int) -> list[str]:
    one, two = (checkpoint.load(checkpoint.path_of(folder, step)) for folder in (run, other))
    return differences(one, two)
