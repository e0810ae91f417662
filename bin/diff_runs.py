"""t2t-mm-diff-runs: find the first step at which two runs differ, and print the differences there."""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from t2t_mm.bin.command import Parser, run_command
from t2t_mm.bin.common_flags import add_boolean, expanded, finish, parse
from t2t_mm.errors import UserError

if TYPE_CHECKING:
    from t2t_mm.run_tools.diff_runs import Divergence

PROGRAM = "t2t-mm-diff-runs"
LINES = 10  # of differences that are printed
DIFFERENT = 3  # the exit code for runs that differ


def parser() -> Parser:
    """Return the parser of t2t-mm-diff-runs."""
    parser = Parser(
        PROGRAM,
        "Find the first step at which two training runs differ. Exit code 0: they are equal; 3: they differ.",
        "t2t-mm-diff-runs RUN1 RUN2",
    )
    parser.usage = f"{PROGRAM} RUN1 RUN2"
    add = parser.group("what to compare")
    runs = "two run directories: compares settings, logged losses, and the checkpoints of steps that both runs saved"
    add("runs", metavar="RUN", nargs="*", type=expanded, help=runs)
    again = "then train both again from the last step at which they are equal, to find the exact step; default false"
    add_boolean(add, "--again", help=again)
    return finish(parser)


def parse_options(argv: Sequence[str]) -> argparse.Namespace:
    """Return the options; `runs` are two folders."""
    options = parse(parser(), argv)
    if len(options.runs) != 2:
        received = ", ".join(map(str, options.runs)) or "none"
        raise UserError(f"Name two run directories, as in t2t-mm-diff-runs RUN1 RUN2; received {received}.")
    return options


@run_command(PROGRAM)
def main(argv: Sequence[str]) -> int:
    """Compare two runs. Returns 0 if they are equal as far as they can be compared, and 3 if they differ."""
    options = parse_options(argv)
    from t2t_mm.run_tools.diff_runs import find_divergence  # brings NumPy, which --help can do without

    first, second = options.runs
    divergence = find_divergence(first, second)
    print_divergence(divergence)
    if options.again and divergence.different is not None:
        from t2t_mm.bin.diff_runs_again import narrow

        narrow(first, second, divergence, lambda line: print(line, flush=True))
    return 0 if divergence.same else DIFFERENT


def print_divergence(divergence: "Divergence") -> None:
    """Print the differences in settings, logged losses and checkpoints."""
    if divergence.settings is None:
        print("Settings cannot be compared.")
    elif divergence.settings:
        print_some("Settings differ (config.json of the first run and of the second):", divergence.settings)
    else:
        print("Settings are equal.")
    if divergence.losses is not None:
        begin, end = divergence.losses
        steps = f"step {end:,}" if begin == end else f"steps {begin:,} to {end:,}"
        lines = f"{divergence.windows:,} log lines cover the same steps in both runs"
        print_some(f"Logged losses first differ at {steps} ({lines}):", divergence.log)
    elif divergence.windows:
        print(
            f"Logged losses are equal in all {divergence.windows:,} log lines that cover the same steps in both runs."
        )
    else:
        print("No log line covers the same steps in both runs.")
    if divergence.different is not None:
        earlier = "no earlier step has one in both runs"
        if divergence.equal is not None:
            earlier = f"those of step {divergence.equal:,} are equal"
        print_some(
            f"Checkpoints of step {divergence.different:,} differ; {earlier}. Differences:", divergence.checkpoint
        )
    elif divergence.steps:
        compared = f"step {divergence.equal:,} was compared"
        print(f"Checkpoints are equal at all {divergence.steps:,} steps that both runs saved ({compared}).")
    else:
        print("No step has a checkpoint in both runs that can be read.")
    if divergence.unread:
        print_some("Not compared, since it could not be read:", divergence.unread)


def print_some(title: str, lines: Sequence[str]) -> None:
    """Print a title, and the first few lines below it."""
    more = [f"and {len(lines) - LINES:,} more"] if len(lines) > LINES else []
    print("\n  ".join([title, *lines[:LINES], *more]))


if __name__ == "__main__":
    sys.exit(main())
