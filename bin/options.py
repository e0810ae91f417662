"""The trainer's command line as ready options: names looked up, folders chosen, plugins loaded."""

import argparse
import re
import zlib
from collections.abc import Sequence
from pathlib import Path

from t2t_mm.bin.common_flags import holds_run, home, parse, set_default
from t2t_mm.bin.flags import TRAINER, trainer_parser
from t2t_mm.bin.problem_names import RUNS, problem_names
from t2t_mm.errors import UserError
from t2t_mm.registry import HPARAM_RANGES, HPARAM_SETS, MODELS


def trainer_options(argv: Sequence[str]) -> argparse.Namespace:
    """The trainer's flags. `problems` is a tuple of names, `data_dir` and `output_dir` are set, `plugins` are loaded.

    `problems` may be empty and `hparams_set` None where gin or the run in `output_dir` says them; with gin alone,
    `data_dir` and `output_dir` may be None too.
    """
    options = parse(trainer_parser(), argv, _run_directory)
    if options.replay is not None and not holds_run(options.output_dir):
        raise UserError(
            f"--replay={options.replay} is not in the folder of faults of a run: {options.output_dir} holds none. Give "
            "<output_dir>/faults/step-<step>.json, or --output_dir too."
        )
    gin = bool(options.gin_file or options.gin_param)
    goes_on = options.output_dir is not None and holds_run(options.output_dir)
    if not (gin or goes_on):
        if not options.problems:
            raise UserError(f"--problems is missing: what should be learnt? Try --problems={next(iter(RUNS))}.")
        if options.hparams_set is None:
            raise UserError(f"--hparams_set is missing. Known: {', '.join(HPARAM_SETS)}.")
    named = ((HPARAM_SETS, options.hparams_set), (HPARAM_RANGES, options.hparams_range), (MODELS, options.model))
    for registry, name in named:
        if name is not None:
            registry.address(name)
    asked = options.problems
    options.problems = problem_names(asked)
    if options.schedule == "train" and options.best_metric and options.hparams_range is None:
        raise UserError(
            f"--best_metric={options.best_metric} chooses among evaluations, and --schedule=train makes none: take "
            "--schedule=train_and_evaluate."
        )
    if options.verify and not options.check:
        raise UserError("--verify belongs to --check: give both, or t2t-mm-datagen --verify.")
    if not gin:
        set_default(options, TRAINER, "data_dir", home() / "data")
    if asked and options.hparams_set:
        name = _run_name(asked, "-".join(filter(None, [options.hparams_set, options.hparams_range])))
        set_default(options, TRAINER, "output_dir", home() / "runs" / name)
    if options.hparams_range is not None:
        _check_search(options)
    return options


def _check_search(options: argparse.Namespace) -> None:
    """What --hparams_range needs."""
    if not (options.problems and options.hparams_set):
        raise UserError("--hparams_range needs --problems and --hparams_set: what is it that should be searched?")
    if not options.best_metric:
        problem = options.problems[0]
        raise UserError(
            f"--hparams_range needs to know which trial is better: give --best_metric, such as {problem}/accuracy."
        )
    if options.schedule != "train_and_evaluate" or options.check or options.dry_run:
        raise UserError("The trials of --hparams_range are trained and evaluated; leave out --schedule and the like.")
    if holds_run(options.output_dir):
        raise UserError(f"{options.output_dir} holds a run; a search needs an --output_dir of its own.")


def _run_directory(options: argparse.Namespace) -> Path | None:
    """Return --output_dir; --replay, which names a file of <output_dir>/faults, implies it."""
    if options.replay is not None and options.output_dir is None:
        options.output_dir = options.replay.absolute().parent.parent
    output_dir: Path | None = options.output_dir
    return output_dir


def _run_name(asked: str, hparams_set: str) -> str:
    """A folder's name for a run: what was asked for, cut where file systems would."""
    name = "-".join([hparams_set, *filter(None, re.split(r"[^A-Za-z0-9_.]+", asked))])
    return name if len(name) <= 100 else f"{name[:91]}-{zlib.crc32(name.encode()):08x}"
