"""The configuration of one training run: a frozen record with one field for each trainer flag.

The command line, gin (`run.<field> = value`), `config.json`, `operative_config.gin`, `--help` and the table in
docs/trainer_flags.md all derive from the fields of `RunConfig`. A new flag is one field, written here and nowhere else.
"""

import re
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_origin

from t2t_mm.errors import UnknownName, UserError

TRAIN_STEPS = 250_000  # Tensor2Tensor's default
SCHEDULES = {  # Tensor2Tensor's names to the three that differ
    "train_and_evaluate": "train_and_evaluate",
    "local_run": "train_and_evaluate",
    "continuous_train_and_eval": "train_and_evaluate",
    "train": "train",
    "evaluate": "evaluate",
}

# What a field belongs to.
RUN = "run"  # what the run is: kept in its config.json and operative_config.gin
PLACE = "place"  # where the run and its data lie, and how it is started: gin may bind it, nothing keeps it
COMMAND = "command"  # one call of the trainer: neither gin nor the run directory has it


def _flag(
    group: str,
    help: str,
    default: Any = None,
    *,
    scope: str = RUN,
    value: str = "",
    aliases: tuple[str, ...] = (),
    least: int | None = None,
    choices: Mapping[str, str] | None = None,
    text: str | None = None,
) -> Any:
    """Return a dataclass field that is a flag.

    Args:
        group: the heading of `--help` that it stands under.
        help: what the flag does, as `--help` prints it, without its default.
        default: its value where nobody sets it.
        scope: RUN, PLACE or COMMAND.
        value: what `--help` prints for its value, such as NAME; by default a word for its type.
        aliases: other spellings of the flag, without dashes; Tensor2Tensor's, where they differ.
        least: the smallest number that it may be.
        choices: the values that it may have, and what each stands for.
        text: its default in words, where the value alone says too little; "" says nothing.
    """
    about = {"group": group, "help": help, "scope": scope, "value": value, "aliases": aliases}
    return field(default=default, metadata={**about, "least": least, "choices": choices, "text": text})


LEARN, PLACES, LENGTH = "what to learn", "where things are", "how long, how often"
CHECKPOINTS, PROCESSES = "checkpoints and repeatability", "several processes"
BEST, GIN = "the best checkpoint, and early stopping", "whole runs from gin files"


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything that a user sets for one training run, but for the hparams themselves.

    Paths may be given as text, `problems` as one text of names joined by commas, `hparams` as a dict. Raises UserError
    for a value of another type or out of bounds, and for fields that contradict each other.
    """

    problems: tuple[str, ...] = _flag(
        LEARN,
        "problems to train on, joined by ',' or '-'; * matches any letters; 'builtin' stands for eight problems that "
        "need no corpus, 'paper' for the eight of arXiv 1706.05137",
        (),
        value="NAMES",
        aliases=("problem",),
        text="",
    )
    hparams_set: str | None = _flag(
        LEARN, "named set of hyperparameters; --registry_help=hparams_sets lists them", value="NAME"
    )
    hparams: str = _flag(
        LEARN,
        "hyperparameters that differ from the set, such as dropout=0.2,batch_size=1024",
        "",
        scope=PLACE,
        value="N=V,...",
    )
    hparams_range: str | None = _flag(
        LEARN,
        "search instead of training once: draw the hyperparameters of --trials runs from this named range; "
        "--registry_help=hparams_ranges lists them",
        scope=COMMAND,
        value="NAME",
    )
    trials: int = _flag(
        LEARN,
        "number of runs that --hparams_range trains",
        10,
        scope=COMMAND,
        aliases=("autotune_max_trials",),
        least=1,
    )
    model: str | None = _flag(
        LEARN, "refuse to start unless the hparam set is one of this model", scope=PLACE, value="NAME"
    )
    data_dir: Path | None = _flag(
        PLACES,
        "folder of generated records and vocabularies",
        scope=PLACE,
        text="$T2T_MM_HOME/data, or ~/.t2t_mm/data",
    )
    tmp_dir: Path = _flag(
        PLACES, "folder of the raw corpora, as they were downloaded", Path("/tmp/t2t_datagen"), scope=PLACE
    )
    output_dir: Path | None = _flag(
        PLACES,
        "run directory: checkpoints, logs, vocabularies; a run that is there goes on",
        scope=PLACE,
        text="a folder below $T2T_MM_HOME/runs, or ~/.t2t_mm/runs",
    )
    generate_data: bool = _flag(PLACES, "generate missing data even where that downloads a corpus", False, scope=PLACE)
    train_steps: int | None = _flag(
        LENGTH, "last step of the run", text=f"{TRAIN_STEPS}, or that of the run that goes on", least=0
    )
    eval_steps: int = _flag(
        LENGTH, "batches of each problem's dev set that an evaluation reads; -1: the whole dev set", -1, least=-1
    )
    local_eval_frequency: int = _flag(
        LENGTH, "steps between evaluations; 0: only as --eval_throttle_seconds says", 2000, least=0
    )
    eval_throttle_seconds: float = _flag(
        LENGTH, "seconds of training between evaluations; 0: only as --local_eval_frequency says", 0.0, least=0
    )
    summaries: bool = _flag(
        LENGTH,
        "at every evaluation, write to TensorBoard a decoded example of each problem, its attention maps and the use "
        "of its experts",
        True,
    )
    dry_run: bool = _flag(
        LENGTH,
        "print the plan (rate, steps, examples, tokens and epochs of each problem) and stop",
        False,
        scope=COMMAND,
    )
    check: bool = _flag(
        LENGTH,
        "check the data, take one step on the largest batch of each problem, print how much memory it took, and stop",
        False,
        scope=COMMAND,
    )
    verify: bool = _flag(
        LENGTH,
        "with --check: also compare all data files with their checksums and read every record",
        False,
        scope=COMMAND,
    )
    replay: Path | None = _flag(
        LENGTH,
        "repeat a step whose loss or gradient was non-finite, name the first non-finite tensor, and stop; the value is "
        "a file of <output_dir>/faults",
        scope=COMMAND,
        value="FILE",
    )
    profile: bool = _flag(
        LENGTH,
        "profile ten steps after everything is compiled, and print where their time went",
        False,
        scope=PLACE,
        aliases=("dbgprofile",),
    )
    save_checkpoints_steps: int = _flag(
        CHECKPOINTS, "steps between checkpoints; 0: only as --save_checkpoints_secs says", 0, least=0
    )
    save_checkpoints_secs: float = _flag(
        CHECKPOINTS, "seconds between checkpoints; 0: only as --save_checkpoints_steps says", 600.0, least=0
    )
    keep_checkpoint_max: int = _flag(CHECKPOINTS, "number of newest checkpoints that are kept; 0: all", 20, least=0)
    warm_start_from: Path | None = _flag(
        CHECKPOINTS,
        "initialise the weights of a new run from this run or checkpoint; weights that do not fit are listed",
    )
    random_seed: int | None = _flag(
        CHECKPOINTS,
        "seed of weights, batches and noise: the same seed repeats the same run",
        text="0, or that of the run that goes on",
        least=0,
    )
    schedule: str = _flag(
        CHECKPOINTS,
        "what to do: train_and_evaluate (also called local_run and continuous_train_and_eval), train, or evaluate",
        "train_and_evaluate",
        scope=COMMAND,
        value="NAME",
        choices=SCHEDULES,
    )
    num_workers: int = _flag(
        PROCESSES,
        "worker processes on this host, one GPU each, that train one run together (data parallel); for several hosts "
        "set TF_CONFIG instead",
        1,
        scope=COMMAND,
        aliases=("worker_gpu",),
        least=1,
    )
    best_metric: str = _flag(
        BEST,
        "also keep the checkpoint with the highest value of this metric: problem/metric, or problem/metric:weight,... "
        "for a weighted mean",
        "",
        value="METRIC",
        aliases=("eval_early_stopping_metric", "autotune_objective"),
    )
    eval_early_stopping_steps: int = _flag(
        BEST, "stop after this many steps without improvement of --best_metric; 0: never", 0, least=0
    )
    eval_early_stopping_metric_delta: float = _flag(BEST, "smallest improvement of --best_metric that counts", 0.0)
    gin_file: tuple[str, ...] = _flag(
        GIN, "read bindings from this gin file; may be repeated", (), scope=COMMAND, value="FILE", text=""
    )
    gin_param: tuple[str, ...] = _flag(
        GIN,
        "one binding, such as 'run.train_steps = 100'; may be repeated",
        (),
        scope=COMMAND,
        value="BINDING",
        text="",
    )
    left_out: tuple[str, ...] = field(  # no flag: t2t-mm-surgery writes it
        default=(), metadata={"scope": RUN}
    )  # parts of the net that no problem of the run reads, and that have no weights

    def __post_init__(self) -> None:
        for each in fields(self):
            object.__setattr__(self, each.name, _converted(each, getattr(self, each.name)))
        if self.eval_steps == 0:
            raise UserError("--eval_steps=0 evaluates nothing; give 1 or more batches, or -1 for the whole dev set.")
        if self.eval_early_stopping_steps and not self.best_metric:
            raise UserError("--eval_early_stopping_steps waits for a metric to improve: give --best_metric too.")
        if self.verify and not self.check:
            raise UserError("--verify belongs to --check: give both, or t2t-mm-datagen --verify.")
        if self.schedule == "train" and self.best_metric and self.hparams_range is None:
            raise UserError(
                f"--best_metric={self.best_metric} chooses among evaluations, and --schedule=train makes none: use "
                "--schedule=train_and_evaluate."
            )


FIELDS: tuple[Field[Any], ...] = fields(RunConfig)
FLAGS = tuple(each for each in FIELDS if "group" in each.metadata)
KEPT = tuple(each.name for each in FIELDS if each.metadata["scope"] == RUN)  # in config.json
BOUND_BY_GIN = tuple(each.name for each in FIELDS if each.metadata["scope"] != COMMAND)


def kind_of(each: Field[Any]) -> type:
    """Return the type of a field's value: bool, int, float, str, Path or tuple; None is left out of `T | None`."""
    annotation = each.type
    if isinstance(annotation, UnionType):
        [annotation] = [kind for kind in get_args(annotation) if kind is not NoneType]
    kind = get_origin(annotation) or annotation
    if not isinstance(kind, type):
        raise ValueError(
            f"field {each.name} has the type {each.type!r}; it may be bool, int, float, str, Path or tuple"
        )
    return kind


def default_text(each: Field[Any]) -> str:
    """Return the default of a flag in words, "" for one that is empty or false."""
    if each.metadata["text"] is not None:
        return str(each.metadata["text"])
    empty = each.default is None or each.default is False or each.default == ""
    return "" if empty else _plain(each.default)


def flags_of(config: RunConfig) -> list[str]:
    """Return the flags that give `config` on a command line; fields at their defaults are left out."""
    flags = []
    for each in FLAGS:
        value = getattr(config, each.name)
        if value == each.default:
            continue
        if each.name == "problems":
            value = ",".join(value)
        for one in value if isinstance(value, tuple) else [value]:
            flags.append(f"--{each.name}={one}")
    return flags


def reference_table() -> str:
    """Return the table of all flags in Markdown, a heading for each group."""
    lines: list[str] = []
    group = ""
    for each in FLAGS:
        about = each.metadata
        if about["group"] != group:
            group = about["group"]
            lines += ["", f"## {group[0].upper()}{group[1:]}", "", "| flag | default | meaning |", "|---|---|---|"]
        names = ", ".join(f"`--{name}`" for name in (each.name, *about["aliases"]))
        gin = "" if about["scope"] != COMMAND else " (command line only)"
        lines.append(f"| {names} | {default_text(each) or '-'} | {about['help'].replace('|', chr(92) + '|')}{gin} |")
    return "\n".join(lines).strip() + "\n"


def _converted(each: Field[Any], value: Any) -> Any:
    """Return `value` as the field takes it. Raises UserError for a value of another type or out of bounds."""
    kind = kind_of(each)
    if value is None and each.default is None:
        return None
    if kind is Path and isinstance(value, str | Path):
        return Path(value).expanduser()
    if each.name == "hparams" and isinstance(value, Mapping):
        return ",".join(f"{name}={one}" for name, one in value.items())
    if kind is tuple:
        if isinstance(value, str):
            value = re.split(r"[,-]", value) if each.name == "problems" else [value]
        if isinstance(value, list | tuple) and all(isinstance(one, str) for one in value):
            return tuple(filter(None, value))
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise UserError(f"--{each.name} takes {_words(kind)}; received {value!r}.")
    least, choices = each.metadata.get("least"), each.metadata.get("choices")
    if least is not None and value < least:
        raise UserError(f"--{each.name} is {_words(kind)} from {least} up; received {value!r}.")
    if choices is not None:
        if value not in choices:
            raise UnknownName(each.name, str(value), choices)
        return choices[str(value)]
    return value


def _words(kind: type) -> str:
    words = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", Path: "a path"}
    return words.get(kind, "texts")


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":  # for docs/trainer_flags.md
    print(reference_table(), end="")
