"""A command line as ready options: names looked up, folders chosen, plugins loaded; nothing heavy is imported."""

import argparse
import os
import re
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path

from t2t_mm import plugins
from t2t_mm.bin.command import Parser
from t2t_mm.bin.flags import (
    AVERAGER,
    DATAGEN,
    EVALUATOR,
    OPERATIONS,
    SURGEON,
    TRAINER,
    averager_parser,
    datagen_parser,
    decoder_parser,
    differ_parser,
    evaluator_parser,
    surgeon_parser,
    trainer_parser,
)
from t2t_mm.bin.problem_names import RUNS, problem_names
from t2t_mm.bin.registry_help import registry_help
from t2t_mm.bin.t2t_flags import remedy
from t2t_mm.errors import UserError, did_you_mean
from t2t_mm.registry import HPARAM_RANGES, HPARAM_SETS, MODELS, PROBLEMS

STDIN = Path("-")
OF_EXTRACTING = {"experts_below": 0.0, "count_on": "train", "count_batches": 200}  # with defaults
OF_SAMPLING = {"sampling_temp": 1.0, "sampling_top_k": 0, "sampling_top_p": 1.0, "num_samples": 1}  # with defaults


def home() -> Path:
    """Where data and runs go that were given no folder: $T2T_MM_HOME, or ~/.t2t_mm."""
    return Path(os.environ.get("T2T_MM_HOME") or "~/.t2t_mm").expanduser().absolute()


def trainer_options(argv: Sequence[str]) -> argparse.Namespace:
    """The trainer's flags. `problems` is a tuple of names, `data_dir` and `output_dir` are set, `plugins` are loaded.

    `problems` may be empty and `hparams_set` None where gin or the run in `output_dir` says them; with gin alone,
    `data_dir` and `output_dir` may be None too.
    """
    options = _parse(trainer_parser(), argv)
    if options.replay is not None and not _holds_run(options.output_dir):
        raise UserError(
            f"--replay={options.replay} is not in the folder of faults of a run: {options.output_dir} holds none. Give "
            "<output_dir>/faults/step-<step>.json, or --output_dir too."
        )
    gin = bool(options.gin_file or options.gin_param)
    goes_on = options.output_dir is not None and _holds_run(options.output_dir)
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
        _default(options, TRAINER, "data_dir", home() / "data")
    if asked and options.hparams_set:
        name = _run_name(asked, "-".join(filter(None, [options.hparams_set, options.hparams_range])))
        _default(options, TRAINER, "output_dir", home() / "runs" / name)
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
    if _holds_run(options.output_dir):
        raise UserError(f"{options.output_dir} holds a run; a search needs an --output_dir of its own.")


def decoder_options(argv: Sequence[str]) -> argparse.Namespace:
    """The decoder's flags. The plugins of the run in `output_dir` are loaded; `problem` is None when not named.

    `decode_output_format` is set, and so are the flags of sampling.
    """
    options = _parse(decoder_parser(), argv)
    if options.output_dir is None:
        raise _no_run()
    if options.decode_from_file is None and not options.decode_interactive:
        raise UserError("There is nothing to decode: give --decode_from_file=<file> or --decode_interactive.")
    _check_ends(options)
    for name, default in OF_SAMPLING.items():
        if getattr(options, name) is None:
            setattr(options, name, default)
        elif options.sampling_method != "random":
            raise UserError(f"--{name} is for sampling: add --sampling_method=random.")
    if options.decode_output_format is None:
        named = options.decode_to_file is not None and options.decode_to_file.suffix == ".jsonl"
        options.decode_output_format = "jsonl" if named else "text"
    return options


def evaluator_options(argv: Sequence[str]) -> argparse.Namespace:
    """The flags of t2t-mm-eval. `data_dir` is set, and either `output_dir` or two runs or more in `compare`."""
    options = _parse(evaluator_parser(), argv)
    if options.compare:
        if options.output_dir is not None or options.checkpoint_path is not None:
            raise UserError(
                "--compare judges the newest checkpoints of the runs that it names; leave out --output_dir and "
                "--checkpoint_path."
            )
        if len(options.compare) == 1:
            raise UserError(f"--compare={options.compare[0]} names one run; give two or more: --compare RUN1 RUN2.")
    elif options.output_dir is None:
        raise _no_run()
    if options.eval_examples == 0:
        raise UserError("--eval_examples=0 judges nothing; -1 takes all examples.")
    _default(options, EVALUATOR, "data_dir", home() / "data")
    return options


def averager_options(argv: Sequence[str]) -> argparse.Namespace:
    """The flags of t2t-mm-avg-checkpoints. `checkpoints` is a tuple of names, empty for the newest of the run."""
    options = _parse(averager_parser(), argv)
    options.checkpoints = tuple(filter(None, re.split(r"[,\s]+", options.checkpoints)))
    if options.checkpoints and options.num_last_checkpoints is not None:
        raise UserError("Give --checkpoints or --num_last_checkpoints, not both.")
    options.num_last_checkpoints = options.num_last_checkpoints or 5
    if options.output_dir is None:
        if not options.checkpoints:
            raise _no_run()
        _default(options, AVERAGER, "output_dir", Path(options.checkpoints[0]).expanduser().absolute().parent)
    if options.output_path is None:
        options.output_path = options.output_dir / "averaged.safetensors"
    return options


def differ_options(argv: Sequence[str]) -> argparse.Namespace:
    """The flags of t2t-mm-diff-runs; `runs` are two folders."""
    options = _parse(differ_parser(), argv)
    if len(options.runs) != 2:
        given = ", ".join(map(str, options.runs)) or "none"
        raise UserError(f"Name two run directories, as in t2t-mm-diff-runs RUN1 RUN2; received {given}.")
    return options


def surgeon_options(argv: Sequence[str]) -> argparse.Namespace:
    """The flags of t2t-mm-surgery. `problems` is a tuple of names; `data_dir` and the flags of experts are set."""
    options = _parse(surgeon_parser(), argv)
    if options.operation is None:
        raise UserError(f"Say first what to do: {SURGEON} {' or '.join(OPERATIONS)} ...")
    if options.source is None:
        raise _no_run("--from")
    if options.output_dir is None:
        raise UserError("--output_dir is missing: where should the new run lie?")
    options.problems = problem_names(options.problems)
    if not options.problems:
        raise UserError(f"--problems is missing: what should {options.operation} do it with?")
    if options.operation == "extract" and len(options.problems) > 1:
        received = ", ".join(options.problems)
        raise UserError(f"A single problem is extracted; received {received}. To keep several, drop the others.")
    for name, default in OF_EXTRACTING.items():
        if getattr(options, name) is None:
            setattr(options, name, default)
        elif options.operation != "extract" or options.keep_experts:
            raise UserError(f"--{name} says which experts go: it is for extract, without --keep_experts.")
    if not 0 <= options.experts_below <= 1:
        raise UserError(f"--experts_below is a share from 0 to 1; received {options.experts_below:g}.")
    if options.operation != "drop":
        _default(options, SURGEON, "data_dir", home() / "data")
    return options


def _no_run(flag: str = "--output_dir") -> UserError:
    runs = ", ".join(str(path.parent) for path in sorted(home().glob("runs/*/config.json")))
    return UserError(f"{flag} is missing: the folder of a training run. Runs below {home()}: {runs or 'none'}.")


def _check_ends(options: argparse.Namespace) -> None:
    """Where the decoder's lines come from and where answers go must fit together."""
    shards, shard = options.decode_shards, options.shard_id
    if options.decode_interactive and options.decode_from_file is not None:
        raise UserError("Give --decode_from_file or --decode_interactive, not both.")
    if options.decode_interactive and (options.decode_to_file is not None or shards > 1):
        raise UserError("--decode_interactive prints its answers; --decode_to_file and --decode_shards are for files.")
    if shard >= shards:
        raise UserError(
            f"--shard_id={shard}: the workers of --decode_shards={shards} are counted from 0 to {shards - 1}."
        )
    if shards > 1 and not options.decode_interactive and options.decode_from_file == STDIN:
        raise UserError("--decode_shards needs a file to take a part of; standard input comes but once.")


def datagen_options(argv: Sequence[str]) -> argparse.Namespace:
    """The flags of t2t-mm-datagen. `problems` is a tuple of names, `data_dir` is set, `plugins` are loaded.

    `beam_options` is a tuple, each an option without its dashes.
    """
    options = _parse(datagen_parser(), argv)
    options.beam_options = tuple(filter(None, ",".join(options.beam_options).split(",")))
    if options.beam_options and not options.runner:
        raise UserError("--beam_options are for a runner of Apache Beam: add --runner, or --runner=NAME.")
    if options.runner and options.num_concurrent_processes > 1:
        raise UserError(
            "How many work is for the runner to know: in place of --num_concurrent_processes give it options of its "
            "own, such as --beam_options=direct_running_mode=multi_processing,direct_num_workers=8."
        )
    options.problems = problem_names(options.problems or options.inspect or "")
    if not options.problems:
        raise UserError(f"--problems is missing. Known: {', '.join([*PROBLEMS, *RUNS])}.")
    _default(options, DATAGEN, "data_dir", home() / "data")
    return options


def _parse(parser: Parser, argv: Sequence[str]) -> argparse.Namespace:
    """Parse, load the plugins (those of the run in `output_dir` too), and answer `--registry_help`."""
    options, unknown = parser.parse_known_args(argv)
    if unknown:
        flag = next((arg for arg in unknown if arg.startswith("-")), unknown[0])
        parser.error(_about(flag.partition("=")[0], parser))
    if getattr(options, "replay", None) is not None and options.output_dir is None:
        options.output_dir = options.replay.absolute().parent.parent
    output_dir = getattr(options, "source", None) or getattr(options, "output_dir", None)
    recorded: Sequence[plugins.Plugin] = ()
    if output_dir is not None and _holds_run(output_dir):
        from t2t_mm.run_directory import read_plugins  # brings NumPy, which --help can do without

        recorded = read_plugins(output_dir)
    options.plugins = plugins.load(options.t2t_usr_dir, recorded)
    if options.registry_help is not None:
        print(registry_help(options.registry_help, RUNS, options.format))
        raise SystemExit(0)
    return options


def _about(flag: str, parser: Parser) -> str:
    """What to say to someone who gave `flag`, which `parser` does not know."""
    if not flag.startswith("-"):
        return f"Received {flag!r}, which belongs to no flag; values are given as --flag=value."
    parsers = (
        trainer_parser,
        decoder_parser,
        datagen_parser,
        evaluator_parser,
        averager_parser,
        differ_parser,
        surgeon_parser,
    )
    for other in (make() for make in parsers):
        if flag in other.flags():
            return f"{flag} is a flag of {other.prog}."
    if replaced := remedy(flag.lstrip("-")):
        return f"Tensor2Tensor's {flag} is not a flag here: {replaced}."
    return " ".join(filter(None, [f"No flag is named {flag}.", did_you_mean(flag, parser.flags())]))


def _holds_run(folder: Path) -> bool:
    return (folder / "config.json").is_file()


def _default(options: argparse.Namespace, command: str, name: str, folder: Path) -> None:
    if getattr(options, name) is None:
        setattr(options, name, folder)
        print(f"{command}: --{name}={folder}", file=sys.stderr)


def _run_name(asked: str, hparams_set: str) -> str:
    """A folder's name for a run: what was asked for, cut where file systems would."""
    name = "-".join([hparams_set, *filter(None, re.split(r"[^A-Za-z0-9_.]+", asked))])
    return name if len(name) <= 100 else f"{name[:91]}-{zlib.crc32(name.encode()):08x}"
