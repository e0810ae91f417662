"""t2t-mm-datagen: make the records that training reads from corpora."""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from t2t_mm import plugins
from t2t_mm.bin.command import Parser, run_command
from t2t_mm.bin.common_flags import (
    add_boolean,
    add_data_dir,
    add_number,
    add_problems,
    add_text,
    add_tmp_dir,
    finish,
    home,
    parse,
    set_default,
)
from t2t_mm.bin.problem_names import RUNS, problem_names
from t2t_mm.errors import UserError
from t2t_mm.registry import PROBLEMS

PROGRAM = "t2t-mm-datagen"


def parser() -> Parser:
    """Return the parser of t2t-mm-datagen."""
    parser = Parser(
        PROGRAM,
        "Make the records that training reads, and the vocabularies that they need, from corpora.",
        "t2t-mm-datagen --problems=parsing_wsj,image_cifar10 --tmp_dir=corpora",
    )
    add = parser.group("what to make")
    add_problems(add, "required without --inspect")
    inspect = "make this problem's records if they are missing, and print three examples as the model will see them"
    add_text(add, "--inspect", "NAME", inspect)
    add_number(add, "--max_cases", 0, "make at most this many examples of each split, the first ones; 0: all")
    add_boolean(
        add, "--verify", help="compare all files of --problems with the checksums in their manifests; default false"
    )
    add = parser.group("data folders")
    add_data_dir(add)
    add_tmp_dir(add)
    add = parser.group("how to make records")
    add_number(add, "--num_shards", 0, "files of a training split; 0: 4 to 128, by its size")
    processes = "processes that make records in parallel; the files are the same for any number"
    add_number(add, "--num_concurrent_processes", 1, processes, least=1)
    add_number(add, "--random_seed", 0, "random seed; equal seeds give equal records")
    runner = "make records on Apache Beam by this runner; without NAME: DirectRunner, on this host; default: no Beam"
    add("--runner", metavar="NAME", nargs="?", const="DirectRunner", default="", help=runner)
    beam_options = "options of the runner, as name=value,...; also for data sets that TFDS prepares on Beam"
    add("--beam_options", "--beam_pipeline_options", metavar="N=V,...", action="append", default=[], help=beam_options)
    return finish(parser)


def parse_options(argv: Sequence[str]) -> argparse.Namespace:
    """Return the options. `problems` is a tuple of names, `data_dir` is set, `plugins` are loaded.

    `beam_options` is a tuple, each an option without its dashes.
    """
    options = parse(parser(), argv)
    options.beam_options = tuple(filter(None, ",".join(options.beam_options).split(",")))
    if options.beam_options and not options.runner:
        raise UserError("--beam_options are for a runner of Apache Beam: add --runner, or --runner=NAME.")
    if options.runner and options.num_concurrent_processes > 1:
        raise UserError(
            "--num_concurrent_processes does not work with --runner: the number of workers is an option of the runner, "
            "such as --beam_options=direct_running_mode=multi_processing,direct_num_workers=8."
        )
    options.problems = problem_names(options.problems or options.inspect or "")
    if not options.problems:
        raise UserError(f"--problems is missing. Known: {', '.join([*PROBLEMS, *RUNS])}.")
    set_default(options, PROGRAM, "data_dir", home() / "data")
    return options


@run_command(PROGRAM)
def main(argv: Sequence[str]) -> None:
    """Make --problems; with --verify, compare checksums; with --inspect, print examples."""
    options = parse_options(argv)
    from t2t_mm.data.beam_runner import Beam  # brings NumPy and Pillow, which --help can do without
    from t2t_mm.data.datagen.generate import generate

    problems = {name: PROBLEMS[name] for name in options.problems}
    generate(
        problems,
        options.data_dir,
        options.tmp_dir,
        seed=options.random_seed,
        download=True,
        max_cases=options.max_cases,
        num_shards=options.num_shards,
        processes=options.num_concurrent_processes,
        beam=Beam(options.runner, options.beam_options) if options.runner else None,
        start=partial(plugins.load, options.t2t_usr_dir),
        report=_say,
    )
    for name in options.problems if options.verify else ():
        _verify(name, options.data_dir)
    for name in problem_names(options.inspect or ""):
        _inspect(name, options.data_dir)


def _verify(name: str, data_dir: Path) -> None:
    from t2t_mm.data.input.records import Manifest, verify

    files = verify(data_dir / name, Manifest.read(data_dir / name))
    _say(f"{name}: all {files} files match the checksums in the manifest.")


def _inspect(name: str, data_dir: Path) -> None:
    from t2t_mm.data.datagen.generate import inspect
    from t2t_mm.data.input.generated_problem import open_problem

    for line in inspect(open_problem(name, PROBLEMS[name], data_dir)):
        _say(line)


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
