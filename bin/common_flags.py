"""Flags that several commands have, and how every command line becomes options.

Each command's own file makes its parser from these functions. Nothing here imports NumPy, Keras or a backend, so that
`--help` answers at once.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from t2t_mm import plugins
from t2t_mm.bin.command import Parser, at_least, boolean
from t2t_mm.bin.problem_names import RUNS
from t2t_mm.bin.registry_help import registry_help
from t2t_mm.bin.t2t_flags import remedy
from t2t_mm.decoding.answers import DecodeOptions
from t2t_mm.errors import UserError, did_you_mean

Add = Callable[..., Any]  # the `add_argument` of a group of flags

PARSERS = {  # each command, and "module:function" of what makes its parser: imported when one is needed
    "t2t-mm-trainer": "t2t_mm.bin.trainer:parser",
    "t2t-mm-decoder": "t2t_mm.bin.decoder:parser",
    "t2t-mm-datagen": "t2t_mm.bin.datagen:parser",
    "t2t-mm-eval": "t2t_mm.bin.evaluator:parser",
    "t2t-mm-avg-checkpoints": "t2t_mm.bin.avg_checkpoints:parser",
    "t2t-mm-diff-runs": "t2t_mm.bin.diff_runs:parser",
    "t2t-mm-surgery": "t2t_mm.bin.surgery:parser",
}


def parsers() -> list[Parser]:
    """Return the parser of each command, in the order of PARSERS."""
    addresses = (address.partition(":") for address in PARSERS.values())
    return [getattr(importlib.import_module(module), function)() for module, _, function in addresses]


# Kinds of flags.


def add_text(add: Add, flag: str, value: str, help: str, default: str | None = None) -> None:
    """Add a flag whose value is a text; `value` names it in the help."""
    add(flag, metavar=value, default=default, help=help)


def add_texts(add: Add, flag: str, value: str, help: str) -> None:
    """Add a flag that may be repeated: its values become a list."""
    add(flag, metavar=value, action="append", default=[], help=help)


def add_path(add: Add, flag: str, help: str, *aliases: str, default: Path | None = None) -> None:
    """Add a flag whose value is a path; `~` stands for the user's home."""
    add(flag, *aliases, metavar="PATH", type=expanded, default=default, help=help)


def add_number(add: Add, flag: str, default: int | None, help: str, *aliases: str, least: int = 0) -> None:
    """Add a flag whose value is a whole number of at least `least`; the help states the default."""
    sentence = help if default is None else f"{help}; default {default}"
    lowest = least if default is None else min(least, default)  # -1 is legal where it is the default
    add(flag, *aliases, metavar="N", type=at_least(lowest), default=default, help=sentence)


def add_boolean(add: Add, *flags: str, help: str) -> None:
    """Add a flag that is false by default, and is written --flag, --flag=true, --flag=false or --noflag."""
    add(*flags, metavar="BOOL", nargs="?", const=True, default=False, type=boolean, help=help)
    negations = [flag.replace("--", "--no", 1) for flag in flags]
    add(*negations, dest=flags[0].lstrip("-"), action="store_false", help=argparse.SUPPRESS)


def expanded(text: str) -> Path:
    """Return a flag's value as a path; `~` stands for the user's home."""
    return Path(text).expanduser()


# Flags with one meaning in all commands that have them.


def add_problems(add: Add, needed: str = "") -> None:
    """Add --problems; `needed` says in the help when the flag is required."""
    names = (
        "problems (a data set and a task each) by registered name, joined by '-' or ','; * matches any letters; "
        "'builtin': eight that need no corpus; 'paper': the eight of arXiv 1706.05137; 'uci': ten tables"
    )
    add("--problems", "--problem", metavar="NAMES", default="", help="; ".join(filter(None, [names, needed])))


def add_decoding(add: Add) -> None:
    """Add the flags that `decode_options` reads."""
    beams = "beam search: hypotheses kept for each input; 1: greedy search"
    add_number(add, "--beam_size", 4, beams, "--decode_beam_size", least=1)
    penalty = "length penalty of beam search: larger values favour longer outputs; 0: none; default 0.6"
    add("--alpha", "--decode_alpha", metavar="X", type=float, default=0.6, help=penalty)
    longest = "tokens that an output may have beyond the length expected from its input, or beyond its given beginning"
    add_number(add, "--decode_extra_length", 50, longest)
    add_number(add, "--decode_batch_size", 32, "batch size of decoding, in inputs", least=1)


def decode_options(options: argparse.Namespace) -> DecodeOptions:
    """Return the beam search that the flags of `add_decoding` ask for. Raises UserError for a value out of range."""
    return DecodeOptions(
        beam_size=options.beam_size,
        alpha=options.alpha,
        extra_length=options.decode_extra_length,
        batch_size=options.decode_batch_size,
    )


def add_data_dir(add: Add) -> None:
    """Add --data_dir."""
    add_path(
        add, "--data_dir", "folder of generated records and vocabularies; default: $T2T_MM_HOME/data, or ~/.t2t_mm/data"
    )


def add_tmp_dir(add: Add) -> None:
    """Add --tmp_dir."""
    corpora = "folder of the corpora from which records are made; default: /tmp/t2t_datagen"
    add_path(add, "--tmp_dir", corpora, default=Path("/tmp/t2t_datagen"))


def finish(parser: Parser) -> Parser:
    """Add the flags that every command has, as the last group of its help."""
    add = parser.group("every command")
    plugin = "load this package folder of your own problems, models or hparam sets (a plugin); may be repeated"
    add_texts(add, "--t2t_usr_dir", "DIR", plugin)
    listing = "list all registered problems, models, hparam sets and metrics, or those with FILTER in their name"
    add("--registry_help", metavar="FILTER", nargs="?", const="", help=listing)
    add("--format", choices=("text", "json"), default="text", help="output format of --registry_help; default text")
    add("--help", "-h", action="help", help="show this help and stop")
    return parser


# From a command line to options.


def parse(
    parser: Parser,
    argv: Sequence[str],
    run_directory_of: Callable[[argparse.Namespace], Path | None] = lambda options: None,
) -> argparse.Namespace:
    """Parse `argv`, load the plugins, and answer --registry_help.

    `run_directory_of` names the run that the command reads, if any: the plugins of that run are loaded too. Exits with
    2 for an unknown flag, and with 0 once --registry_help is answered. Raises UserError for a plugin that is missing.
    """
    options, unknown = parser.parse_known_args(argv)
    if unknown:
        flag = next((arg for arg in unknown if arg.startswith("-")), unknown[0])
        parser.error(_unknown_flag(flag.partition("=")[0], parser))
    output_dir = run_directory_of(options)
    recorded: Sequence[plugins.Plugin] = ()
    if output_dir is not None and holds_run(output_dir):
        from t2t_mm.run_directory import read_plugins  # brings NumPy, which --help can do without

        recorded = read_plugins(output_dir)
    options.plugins = plugins.load(options.t2t_usr_dir, recorded)
    if options.registry_help is not None:
        print(registry_help(options.registry_help, RUNS, options.format))
        raise SystemExit(0)
    return options


def _unknown_flag(flag: str, parser: Parser) -> str:
    """Return the sentence for a user who typed `flag`, which `parser` does not know."""
    if not flag.startswith("-"):
        return f"Received {flag!r}, which is not a flag; write values as --flag=value."
    for other in parsers():
        if flag in other.flags():
            return f"{flag} is a flag of {other.prog}."
    if replacement := remedy(flag.lstrip("-")):
        return f"Tensor2Tensor's {flag} is not a flag here: {replacement}."
    return " ".join(filter(None, [f"No flag is named {flag}.", did_you_mean(flag, parser.flags())]))


def home() -> Path:
    """Return the folder for data and runs that were given none: $T2T_MM_HOME, or ~/.t2t_mm."""
    return Path(os.environ.get("T2T_MM_HOME") or "~/.t2t_mm").expanduser().absolute()


def holds_run(folder: Path) -> bool:
    """Return True if `folder` is the directory of a training run."""
    return (folder / "config.json").is_file()


def set_default(options: argparse.Namespace, command: str, name: str, folder: Path) -> None:
    """Set the option `name` to `folder` if no flag did, and print the choice on standard error."""
    if getattr(options, name) is None:
        setattr(options, name, folder)
        print(f"{command}: --{name}={folder}", file=sys.stderr)


def missing_run(flag: str = "--output_dir") -> UserError:
    """Return the error for a command that was given no run; it names the runs below `home()`."""
    runs = ", ".join(str(path.parent) for path in sorted(home().glob("runs/*/config.json")))
    return UserError(f"{flag} is missing: give the directory of a training run. Runs below {home()}: {runs or 'none'}.")
