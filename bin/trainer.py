"""t2t-mm-trainer: train one model on several problems at once, and show what it learnt."""

import argparse
import os
import re
import sys
import zlib
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import Field, dataclass, replace
from pathlib import Path
from typing import Any

from t2t_mm.bin.command import Parser, at_least, boolean, hushed, run_command
from t2t_mm.bin.common_flags import finish, holds_run, home, parse
from t2t_mm.bin.problem_names import RUNS, problem_names
from t2t_mm.bin.workers import run_workers
from t2t_mm.errors import UnknownName, UserError
from t2t_mm.plugins import Plugin
from t2t_mm.registry import HPARAM_RANGES, HPARAM_SETS, MODELS
from t2t_mm.run_config import FLAGS, RunConfig, default_text, kind_of
from t2t_mm.train.distributed.cluster_spec import VARIABLE, parse_cluster_spec

PROGRAM = "t2t-mm-trainer"
EXAMPLES = 2  # decoded examples a problem, shown at the end


@dataclass(frozen=True)
class Call:
    """One call of the trainer."""

    config: RunConfig
    plugins: tuple[Plugin, ...]  # loaded
    plugin_dirs: tuple[str, ...]  # as --t2t_usr_dir gave them
    argv: tuple[str, ...]


@run_command(PROGRAM)
def main(argv: Sequence[str]) -> None:
    """Train, then evaluate every problem and decode examples of each."""
    call = parse_options(argv)
    config = call.config
    if config.hparams_range is not None:
        from t2t_mm.bin.search import search  # brings NumPy and rich, and Optuna, which runs do without

        if code := search(config, call.plugin_dirs):
            raise SystemExit(code)
        return
    trains = config.schedule != "evaluate" and not (config.dry_run or config.check or config.replay)
    own = parse_cluster_spec(os.environ.get(VARIABLE))
    if own is None and config.num_workers > 1 and trains:
        raise SystemExit(run_workers("t2t_mm.bin.trainer", argv, config.num_workers))
    if own is not None and own.index > 0 and not trains:
        return  # the chief does it alone
    with hushed():
        from t2t_mm import runs  # brings Keras and TensorFlow, which --help can do without
        from t2t_mm.run_tools.replay import replay
        from t2t_mm.train.distributed.join import join
        from t2t_mm.train.run_lock import run_lock

    if config.check:
        report_check(runs.check(config, plugins=call.plugins))
        return
    if config.replay is not None:
        folders = {"output_dir": _folder(config.output_dir), "data_dir": _folder(config.data_dir)}
        print(replay(config.replay, config.hparams, **folders, report=runs.say))
        return
    cluster = join(own if trains else None, runs.say)
    resolved = runs.resolve(config)  # before the lock, so that a mistake leaves no folder behind
    locks = trains and cluster.chief
    with run_lock(resolved.output_dir) if locks else nullcontext():
        run = runs.begin(
            resolved,
            plugins=call.plugins,
            command_line=(PROGRAM, *argv),
            cluster=cluster,
            write=trains,
            locked=locks,
            report=runs.say if cluster.chief else lambda line: None,
        )
        code = train_and_report(run.trainer, config)
    if code:
        raise SystemExit(code)


def parser() -> Parser:
    """Return the parser of t2t-mm-trainer: a flag for each field of RunConfig. Flags that are not given are absent."""
    flags = Parser(
        PROGRAM,
        "Train one model on several problems at once and evaluate each. A run that --output_dir holds is continued.",
        "t2t-mm-trainer --problems=builtin --hparams_set=multimodel_demo --train_steps=300",
    )
    group, add = "", flags.add_argument
    for each in FLAGS:
        if each.metadata["group"] != group:
            group = each.metadata["group"]
            add = flags.group(group)
        _add_flag(add, each)
    return finish(flags)


def parse_options(argv: Sequence[str]) -> Call:
    """Return the call that `argv` makes, with plugins loaded, gin files read, names looked up and folders chosen.

    `problems` may be empty and `hparams_set` None where the run in `output_dir` has them. Raises UserError for what is
    missing, unknown or contradictory, and exits with code 2 for a flag that does not exist.
    """
    options = parse(parser(), argv, _run_directory)
    flags = {each.name: getattr(options, each.name) for each in FLAGS if hasattr(options, each.name)}
    if "replay" in flags and "output_dir" not in flags:
        flags["output_dir"] = _run_directory(options)
    names = flags.get("problems", "")
    if "problems" in flags:
        flags["problems"] = problem_names(names)
    gin = bool(flags.get("gin_file") or flags.get("gin_param"))
    config = RunConfig(**({**_bound_by_gin(flags), **flags} if gin else flags))
    for registry, name in (
        (HPARAM_SETS, config.hparams_set),
        (HPARAM_RANGES, config.hparams_range),
        (MODELS, config.model),
    ):
        if name is not None:
            registry.address(name)
    goes_on = config.output_dir is not None and holds_run(config.output_dir)
    if config.replay is not None and not goes_on:
        raise UserError(
            f"--replay={config.replay} is not in the folder of faults of a run: {config.output_dir} holds none. Give "
            "<output_dir>/faults/step-<step>.json, or --output_dir too."
        )
    if not (gin or goes_on):
        if not config.problems:
            raise UserError(f"--problems is missing: what should be learnt? Try --problems={next(iter(RUNS))}.")
        if config.hparams_set is None:
            raise UserError(f"--hparams_set is missing. Known: {', '.join(HPARAM_SETS)}.")
    if config.data_dir is None:
        config = replace(config, data_dir=_default("data_dir", home() / "data"))
    if config.output_dir is None and names and config.hparams_set:
        folder = _run_name(names, "-".join(filter(None, [config.hparams_set, config.hparams_range])))
        config = replace(config, output_dir=_default("output_dir", home() / "runs" / folder))
    if config.hparams_range is not None:
        _check_search(config, goes_on)
    return Call(config, tuple(options.plugins), tuple(options.t2t_usr_dir), tuple(argv))


def report_check(preflight: Any) -> None:
    """Print the result of --check. Raises UserError if a run should not begin."""
    from rich.console import Console

    for table in preflight.tables():
        table.show(Console())
        print()
    if preflight.faults:
        raise UserError("\n".join(preflight.faults))
    print("All checks passed.")


def train_and_report(trainer: Any, config: RunConfig) -> int:
    """Print the plan, do what `config.schedule` says, and print results and examples. Returns the exit code."""
    from rich.console import Console

    from t2t_mm.evaluation.results import results_table
    from t2t_mm.evaluation.samples import samples
    from t2t_mm.train.mixture.plan import plan_table

    screen = Console(quiet=not trainer.cluster.chief)
    if config.schedule != "evaluate":
        plan_table(trainer.plan(), trainer.mixer.scheme).show(screen)
        for name, batches in trainer.batches.items():
            if batches.dropped:
                screen.print(
                    f"{name}: {batches.dropped:,} training examples are longer than {batches.limits}; left out."
                )
    if config.dry_run:
        return 0
    if config.schedule == "evaluate":
        if not trainer.began:
            raise UserError(f"There is no checkpoint in {trainer.output_dir} to evaluate.")
        results = trainer.evaluate()
    else:
        outcome = trainer.train() if config.schedule == "train" else trainer.train_and_evaluate()
        if outcome.stop.requested:
            message = f"stopped after step {trainer.step} and saved; the same command goes on"
            if trainer.cluster.chief:
                print(f"{PROGRAM}: {message}.", file=sys.stderr)
            return int(outcome.stop.exit_code)
        results = outcome.results
    if results:
        results_table(trainer.step, results).show(screen)
        with trainer.averaged():
            shown = {name: samples(trainer.decoder, one, EXAMPLES) for name, one in trainer.problems.items()}
        for name, few in shown.items():
            for sample in few:
                screen.print(f"\n{name} {sample.id}", markup=False, highlight=False)
                for what, text in (("input", sample.inputs), ("output", sample.output), ("right", sample.target)):
                    screen.print(f"  {what:7}{text}", markup=False, highlight=False, soft_wrap=True)
    return 0


def _add_flag(add: Callable[..., Any], each: Field[Any]) -> None:
    """Add the flag of one field, which stays absent from the options unless it is given."""
    about, kind, default = each.metadata, kind_of(each), default_text(each)
    flags = [f"--{name}" for name in (each.name, *about["aliases"])]
    help = f"{about['help']}; default: {default}" if default else about["help"]
    common: dict[str, Any] = {"dest": each.name, "default": argparse.SUPPRESS, "help": help}
    if kind is bool:  # given alone, or as --flag=true or --flag=false, or as --noflag
        add(*flags, metavar="BOOL", nargs="?", const=True, type=boolean, **common)
        negations = [flag.replace("--", "--no", 1) for flag in flags]
        add(*negations, action="store_false", **{**common, "help": argparse.SUPPRESS})
        return
    words = {int: "N", float: "X", Path: "PATH"}
    common["metavar"] = about["value"] or words.get(kind, "TEXT")
    if kind is tuple and each.name != "problems":
        add(*flags, action="append", **common)
    elif about["choices"]:
        add(*flags, type=_choice(each), **common)
    elif kind is int and about["least"] is not None:
        add(*flags, type=at_least(about["least"]), **common)
    else:
        add(*flags, type=kind if kind in (int, float) else str, **common)


def _run_directory(options: argparse.Namespace) -> Path | None:
    """Return the run directory that the flags name: that of --output_dir, or that of the fault to --replay."""
    if hasattr(options, "output_dir"):
        return Path(options.output_dir).expanduser()
    if hasattr(options, "replay"):
        return Path(options.replay).expanduser().absolute().parent.parent
    return None


def _choice(each: Field[Any]) -> Callable[[str], str]:
    def choose(text: str) -> str:
        if text not in each.metadata["choices"]:
            raise argparse.ArgumentTypeError(str(UnknownName(each.name, text, each.metadata["choices"])))
        return text

    return choose


def _bound_by_gin(flags: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that the gin files and bindings of `flags` bind."""
    from t2t_mm.gin_bindings import parse_gin, run_bindings

    parse_gin(flags.get("gin_file", ()), flags.get("gin_param", ()))
    bound = run_bindings()
    if isinstance(bound.get("problems"), str):
        bound["problems"] = problem_names(bound["problems"])
    return bound


def _check_search(config: RunConfig, goes_on: bool) -> None:
    """Raise UserError for flags that --hparams_range needs or cannot use."""
    if not (config.problems and config.hparams_set):
        raise UserError("--hparams_range needs --problems and --hparams_set: what should it search for?")
    if not config.best_metric:
        problem = config.problems[0]
        raise UserError(
            f"--hparams_range needs to know which trial is better: give --best_metric, such as {problem}/accuracy."
        )
    if config.schedule != "train_and_evaluate" or config.check or config.dry_run:
        raise UserError("The trials of --hparams_range are trained and evaluated; leave out --schedule and the like.")
    if goes_on:
        raise UserError(f"{config.output_dir} holds a run; a search needs an --output_dir of its own.")


def _folder(path: Path | None) -> Path:
    if path is None:
        raise UserError("--output_dir is missing: which folder should the run use?")
    return path


def _default(name: str, folder: Path) -> Path:
    print(f"{PROGRAM}: --{name}={folder}", file=sys.stderr)
    return folder


def _run_name(problems: str, hparams_set: str) -> str:
    """Return a folder's name for a run, of the flags that name it, cut where file systems would cut it."""
    name = "-".join([hparams_set, *filter(None, re.split(r"[^A-Za-z0-9_.]+", problems))])
    return name if len(name) <= 100 else f"{name[:91]}-{zlib.crc32(name.encode()):08x}"


if __name__ == "__main__":
    sys.exit(main())
