"""t2t-mm-diff-runs: the first step at which two runs are not the same any more, and what differs there."""

import sys
from collections.abc import Sequence
from typing import Any

from t2t_mm.bin.command import run_command
from t2t_mm.bin.flags import DIFFER
from t2t_mm.bin.options import differ_options

SHOWN = 10  # lines of what differs
PARTED = 3  # the exit code of runs that are not the same


@run_command(DIFFER)
def main(argv: Sequence[str]) -> int:
    """Compare two runs and say where they part. Returns 0 if they are the same as far as they can be compared."""
    options = differ_options(argv)
    from t2t_mm.run_tools.diff_runs import find_divergence  # brings NumPy, which --help can do without

    first, second = options.runs
    found = find_divergence(first, second)
    show(found)
    if options.again and found.different is not None:
        from t2t_mm.bin.diff_runs_again import narrow

        narrow(first, second, found, lambda line: print(line, flush=True))
    return 0 if found.same else PARTED


def show(found: Any) -> None:
    """Print a Parting."""
    if found.settings is None:
        print("Settings cannot be compared.")
    elif found.settings:
        print_some("Settings differ (config.json of the first and of the second):", found.settings)
    else:
        print("Settings are the same.")
    if found.losses is not None:
        begin, end = found.losses
        where = f"step {end:,}" if begin == end else f"steps {begin:,} to {end:,}"
        print_some(f"The logs part at {where}, the first of {found.windows:,} lines that differs. Losses:", found.log)
    elif found.windows:
        print(f"The logs agree on the losses of all {found.windows:,} lines that are of the same steps.")
    else:
        print("The logs have no line of the same steps.")
    if found.different is not None:
        before = "no earlier one is in both" if found.equal is None else f"those of step {found.equal:,} are equal"
        print_some(f"The checkpoints of step {found.different:,} differ; {before}. There:", found.checkpoint)
    elif found.steps:
        print(f"The checkpoints of all {found.steps:,} steps that both have are equal: looked at step {found.equal:,}.")
    else:
        print("No step has a checkpoint in both that can be read.")
    if found.unread:
        print_some("What could not be read, and was not compared:", found.unread)


def print_some(title: str, lines: Sequence[str]) -> None:
    """A title and the first few lines below it."""
    more = [f"and {len(lines) - SHOWN:,} more"] if len(lines) > SHOWN else []
    print("\n  ".join([title, *lines[:SHOWN], *more]))


if __name__ == "__main__":
    sys.exit(main())
