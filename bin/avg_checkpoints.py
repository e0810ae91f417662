"""t2t-mm-avg-checkpoints: write a checkpoint whose weights are the mean of several checkpoints of a run."""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from t2t_mm.bin.command import Parser, run_command
from t2t_mm.bin.common_flags import add_number, add_path, finish, missing_run, parse, set_default
from t2t_mm.errors import UserError

PROGRAM = "t2t-mm-avg-checkpoints"


def parser() -> Parser:
    """Return the parser of t2t-mm-avg-checkpoints."""
    parser = Parser(
        PROGRAM,
        "Write a checkpoint whose weights are the mean of several checkpoints of one run.",
        "t2t-mm-avg-checkpoints --output_dir=RUN --num_last_checkpoints=5",
    )
    add = parser.group("what to average")
    add_path(add, "--output_dir", "directory of the training run; default: the folder of the first of --checkpoints")
    newest = "average this many of the newest checkpoints of the run; default 5"
    add_number(add, "--num_last_checkpoints", None, newest, least=1)
    chosen = "average these instead: files, or steps of the run, joined by ','; default: the newest"
    add("--checkpoints", metavar="NAMES", default="", help=chosen)
    add = parser.group("where to write")
    written = "file to write, for --checkpoint_path of t2t-mm-decoder; default: averaged.safetensors in --output_dir"
    add_path(add, "--output_path", written)
    return finish(parser)


def parse_options(argv: Sequence[str]) -> argparse.Namespace:
    """Return the options. `checkpoints` is a tuple of names, empty for the newest of the run; both paths are set."""
    options = parse(parser(), argv, lambda options: options.output_dir)
    options.checkpoints = tuple(filter(None, re.split(r"[,\s]+", options.checkpoints)))
    if options.checkpoints and options.num_last_checkpoints is not None:
        raise UserError("Give --checkpoints or --num_last_checkpoints, not both.")
    options.num_last_checkpoints = options.num_last_checkpoints or 5
    if options.output_dir is None:
        if not options.checkpoints:
            raise missing_run()
        set_default(options, PROGRAM, "output_dir", Path(options.checkpoints[0]).expanduser().absolute().parent)
    if options.output_path is None:
        options.output_path = options.output_dir / "averaged.safetensors"
    return options


@run_command(PROGRAM)
def main(argv: Sequence[str]) -> None:
    """Average the checkpoints, write the mean, and print how to decode with it."""
    options = parse_options(argv)
    from t2t_mm.run_tools.average_checkpoints import (  # brings NumPy, which --help can do without
        average,
        check_output_path,
        choose_checkpoints,
    )

    path = check_output_path(options.output_dir, options.output_path)
    paths = choose_checkpoints(options.output_dir, options.checkpoints, options.num_last_checkpoints)
    if not options.checkpoints and len(paths) < options.num_last_checkpoints:
        requested = options.num_last_checkpoints
        print(f"{options.output_dir} holds {len(paths)} checkpoints, not {requested}: all are averaged.")
    average(paths, path)
    print(f"{path} holds the mean of {', '.join(one.name for one in paths)}.")
    print(f"Decode with it: t2t-mm-decoder --output_dir={options.output_dir} --checkpoint_path={path}")


if __name__ == "__main__":
    sys.exit(main())
