"""The flags of the seven commands: T2T's names and meanings, the everyday ones first."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from t2t_mm.bin.command import Parser, at_least, truth
from t2t_mm.errors import UnknownName

Add = Callable[..., Any]  # the `add_argument` of a group

TRAINER, DECODER, DATAGEN, EVALUATOR = "t2t-mm-trainer", "t2t-mm-decoder", "t2t-mm-datagen", "t2t-mm-eval"
AVERAGER, DIFFER, SURGEON = "t2t-mm-avg-checkpoints", "t2t-mm-diff-runs", "t2t-mm-surgery"
OPERATIONS = ("add", "drop", "extract")
SCHEDULES = {
    "train_and_evaluate": "train_and_evaluate",
    "local_run": "train_and_evaluate",
    "continuous_train_and_eval": "train_and_evaluate",
    "train": "train",
    "evaluate": "evaluate",
}


def trainer_parser() -> Parser:
    """Flags of t2t-mm-trainer."""
    parser = Parser(
        TRAINER,
        "Train one model on several problems at once, evaluating each; goes on where the run in --output_dir stopped.",
        "t2t-mm-trainer --problems=builtin --hparams_set=multimodel_demo --train_steps=300",
    )
    add = parser.group("what to learn")
    _problems(add)
    _text(add, "--hparams_set", "NAME", "sizes and rates; --registry_help=hparams_sets lists them")
    _text(add, "--hparams", "N=V,...", "what differs from the set, such as dropout=0.2,batch_size=1024", default="")
    ranges = "search instead: trials of hparams from these ranges; --registry_help=hparams_ranges lists them"
    _text(add, "--hparams_range", "NAME", ranges)
    _number(add, "--trials", 10, "with --hparams_range: how many", "--autotune_max_trials", least=1)
    _text(add, "--model", "NAME", "checked against the model that the hparam set names")
    add = parser.group("where things lie")
    _data_dir(add)
    _tmp_dir(add)
    _path(add, "--output_dir", "checkpoints, logs, vocabularies; default: below $T2T_MM_HOME/runs")
    _truth(add, "--generate_data", help="make missing data even where that downloads a corpus")
    add = parser.group("how long, how often")
    _number(add, "--train_steps", 250000, "steps of the whole run")
    _number(add, "--eval_steps", -1, "batches of each problem in an evaluation; -1: its whole dev set")
    _number(add, "--local_eval_frequency", 2000, "steps between evaluations; 0: go by the clock alone")
    _number(add, "--eval_throttle_seconds", 0, "seconds of training between evaluations; 0: go by the steps alone")
    _truth(add, "--dry_run", help="print the plan (rates, examples, tokens, epochs of each problem) and stop")
    whole = "look at the data, take a step on the largest batch of each problem, show its memory, and stop"
    _truth(add, "--check", help=whole)
    _truth(add, "--verify", help="with --check: compare all files with their checksums, and read every record")
    again = "take a step again whose loss was not finite, name the first such tensor, and stop: a file of <run>/faults"
    _path(add, "--replay", again)
    profiled = "record where the time of ten steps goes, once all is compiled, and print tables of it"
    _truth(add, "--profile", "--dbgprofile", help=profiled)
    add = parser.group("checkpoints and repeatability")
    _number(add, "--save_checkpoints_steps", 0, "steps between checkpoints; 0: go by the clock alone")
    _number(add, "--save_checkpoints_secs", 600, "seconds between checkpoints; 0: go by the steps alone")
    _number(add, "--keep_checkpoint_max", 20, "how many of the newest stay; 0: all")
    _path(add, "--warm_start_from", "a new run begins with what fits of this run's, or checkpoint's, weights")
    _number(add, "--random_seed", None, "equal seeds, equal runs; default: the run's own, 0 for a new run")
    schedules = f"one of {', '.join(SCHEDULES)}; the first three are the same"
    add("--schedule", metavar="NAME", type=_schedule, default="train_and_evaluate", help=schedules)
    add = parser.group("several processes")
    here = "on this host that train together, a GPU each; TF_CONFIG names those of several hosts"
    _number(add, "--num_workers", 1, here, "--worker_gpu", least=1)
    add = parser.group("the best checkpoint, and when to stop")
    aim = "keep the best checkpoint too: problem/metric:weight, the higher the better; several by ',' make a mean"
    names = ("--best_metric", "--eval_early_stopping_metric", "--autotune_objective")
    add(*names, metavar="METRIC", default="", help=aim)
    _number(add, "--eval_early_stopping_steps", 0, "without a better one end training; 0: never")
    least = "by which a better one is greater; default 0"
    add("--eval_early_stopping_metric_delta", metavar="X", type=float, default=0.0, help=least)
    add = parser.group("whole runs from gin files")
    _texts(add, "--gin_file", "FILE", "bindings; may be repeated")
    _texts(add, "--gin_param", "BINDING", "one binding, such as 'run.train_steps = 100'; may be repeated")
    return _finish(parser)


def decoder_parser() -> Parser:
    """Flags of t2t-mm-decoder."""
    parser = Parser(
        DECODER,
        "Let a trained model answer what stands in a file, line by line, or what you type.",
        "t2t-mm-decoder --output_dir=RUN --problem=parsing_wsj --decode_from_file=in.txt --decode_to_file=out.txt",
    )
    add = parser.group("what to decode")
    _path(add, "--output_dir", "the training run; nothing else is needed")
    add(
        "--problem",
        "--problems",
        dest="problem",
        metavar="NAME",
        help="of lines that name none; not needed if one fits",
    )
    lines = 'its lines are text, paths of sounds or pictures, or JSON: {"problem": ..., "inputs": ...}; - is stdin'
    _path(add, "--decode_from_file", lines)
    _path(add, "--decode_to_file", "default: print. A command that was stopped goes on where it was")
    named = "default: jsonl for a --decode_to_file named so, else text"
    add("--decode_output_format", choices=("text", "jsonl"), help=named)
    _truth(add, "--decode_interactive", help="answer each line as it is typed")
    add = parser.group("how to decode")
    _search(add)
    _truth(add, "--return_beams", "--decode_return_beams", help="all beams of a line with their scores, best first")
    _number(add, "--decode_batch_size", 32, "lines at a time", least=1)
    _path(add, "--checkpoint_path", "default: the run's newest")
    add = parser.group("how to draw answers, instead of searching for the likeliest")
    add("--sampling_method", choices=("argmax", "random"), default="argmax", help="random draws; default argmax")
    add("--sampling_temp", metavar="X", type=float, help="below 1 favours the likely; default 1")
    _number(
        add, "--sampling_top_k", None, "draw among so many of the likeliest; default 0: all", "--sampling_keep_top_k"
    )
    add("--sampling_top_p", metavar="X", type=float, help="and among the fewest that have this probability; default 1")
    _number(add, "--num_samples", None, "answers to each line; default 1", "--num_decodes", least=1)
    _number(add, "--random_seed", 0, "equal seeds, equal answers")
    add = parser.group("several workers for one file")
    _number(
        add, "--decode_shards", 1, "workers; each writes FILE-0000i-of-0000N, to be put one behind the other", least=1
    )
    _number(add, "--shard_id", 0, "which worker this is, from 0")
    return _finish(parser)


def averager_parser() -> Parser:
    """Flags of t2t-mm-avg-checkpoints."""
    parser = Parser(
        AVERAGER,
        "Write a checkpoint whose weights are the mean of several checkpoints of one run.",
        "t2t-mm-avg-checkpoints --output_dir=RUN --num_last_checkpoints=5",
    )
    add = parser.group("what to average")
    _path(add, "--output_dir", "the training run")
    _number(add, "--num_last_checkpoints", None, "the newest of the run; default 5", least=1)
    add("--checkpoints", metavar="NAMES", default="", help="these instead: files or steps of the run, joined by ','")
    add = parser.group("where to write")
    _path(add, "--output_path", "default: averaged.safetensors in the run; it decodes with --checkpoint_path")
    return _finish(parser)


def differ_parser() -> Parser:
    """Flags of t2t-mm-diff-runs."""
    parser = Parser(
        DIFFER,
        "Find the first step at which two runs are not the same any more. Ends with 0 if they are, with 3 if not.",
        "t2t-mm-diff-runs RUN1 RUN2",
    )
    parser.usage = f"{DIFFER} RUN1 RUN2"
    add = parser.group("what to compare")
    runs = "two run directories: their settings, the losses in their logs, the checkpoints that both have"
    add("runs", metavar="RUN", nargs="*", type=lambda text: Path(text).expanduser(), help=runs)
    again = "then train both again from where they were last equal, to find the very step"
    _truth(add, "--again", help=again)
    return _finish(parser)


def surgeon_parser() -> Parser:
    """Flags of t2t-mm-surgery."""
    parser = Parser(
        SURGEON,
        "Make a new run of a trained one: with problems more, with some fewer, or with one problem alone.",
        "t2t-mm-surgery extract --from=RUN --problems=parsing_wsj --output_dir=NEW",
    )
    add = parser.group("what to do")
    add("operation", metavar="|".join(OPERATIONS), nargs="?", choices=OPERATIONS, help="stands first")
    add("--from", dest="source", metavar="RUN", type=lambda text: Path(text).expanduser(), help="stays as it is")
    _path(add, "--output_dir", "the new run; nothing may be there yet")
    _problems(add)
    _path(add, "--checkpoint_path", "of the trained run; default: its newest")
    _text(add, "--hparams", "N=V,...", "changes to training hparams of the new run, such as freeze=body", default="")
    add = parser.group("where things lie, to add or to extract")
    _data_dir(add)
    _tmp_dir(add)
    _truth(add, "--generate_data", help="make missing data of a new problem even where that downloads a corpus")
    add = parser.group("which experts an extracted problem keeps")
    below = "those with a lower share of the problem's choices go; default 0: those that it never chose"
    add("--experts_below", metavar="X", type=float, help=below)
    _truth(add, "--keep_experts", help="all")
    add("--count_on", choices=("train", "dev"), help="where choices are counted; default train")
    _number(add, "--count_batches", None, "in which they are counted; default 200", least=1)
    add = parser.group("what is judged on the dev set before and after, to extract")
    _number(add, "--eval_examples", -1, "spread over the set; -1: all, 0: none")
    _search(add)
    _number(add, "--decode_batch_size", 32, "examples at a time", least=1)
    return _finish(parser)


def evaluator_parser() -> Parser:
    """Flags of t2t-mm-eval."""
    parser = Parser(
        EVALUATOR,
        "Decode the dev sets of a trained model's problems and print one table of how good it is; or compare runs.",
        "t2t-mm-eval --output_dir=RUN --problems=parsing_wsj --beam_size=4",
    )
    add = parser.group("what to judge")
    _path(add, "--output_dir", "the training run")
    compared = "the first run minus each other one, on the problems that both learnt"
    add("--compare", metavar="RUN", nargs="+", type=lambda text: Path(text).expanduser(), default=[], help=compared)
    some = "names joined by '-' or ','; * stands for any letters; default: all of the run's"
    add("--problems", "--problem", metavar="NAMES", default="", help=some)
    _data_dir(add)
    add("--split", choices=("dev", "test"), default="dev", help="default dev")
    _number(add, "--eval_examples", -1, "of each problem, spread over the split; -1: all")
    _path(add, "--checkpoint_path", "default: the run's newest", "--checkpoint")
    add = parser.group("how to decode")
    _search(add)
    _number(add, "--decode_batch_size", 32, "examples at a time", least=1)
    return _finish(parser)


def datagen_parser() -> Parser:
    """Flags of t2t-mm-datagen."""
    parser = Parser(
        DATAGEN,
        "Turn corpora into the records that training reads, with the vocabularies that they need.",
        "t2t-mm-datagen --problems=parsing_wsj,image_cifar10 --tmp_dir=corpora",
    )
    add = parser.group("what to make")
    _problems(add)
    _text(add, "--inspect", "NAME", "print three examples of a generated problem, as the model will see them")
    _number(add, "--max_cases", 0, "examples of each split at most, the first ones; 0: all")
    _truth(add, "--verify", help="compare all files of --problems with the checksums in their manifests")
    add = parser.group("where things lie")
    _data_dir(add)
    _tmp_dir(add)
    add = parser.group("how it is made")
    _number(add, "--num_shards", 0, "files of a training split; 0: by its size, 4 to 128")
    _number(add, "--num_concurrent_processes", 1, "that make records; what comes out is the same", least=1)
    _number(add, "--random_seed", 0, "equal seeds, equal records")
    where = "make them on Apache Beam, by this runner; DirectRunner, the local one, where none is named"
    add("--runner", metavar="NAME", nargs="?", const="DirectRunner", default="", help=where)
    told = "of the runner, as name=value,...; those that TFDS prepares on Beam are prepared with them, too"
    add("--beam_options", "--beam_pipeline_options", metavar="N=V,...", action="append", default=[], help=told)
    return _finish(parser)


def _problems(add: Add) -> None:
    names = (
        "names joined by '-' or ','; * stands for any letters; 'builtin' for eight problems that need no corpus, "
        "'paper' for the eight of arXiv 1706.05137"
    )
    add("--problems", "--problem", metavar="NAMES", default="", help=names)


def _search(add: Add) -> None:
    _number(add, "--beam_size", 4, "1 is greedy", "--decode_beam_size", least=1)
    add("--alpha", "--decode_alpha", metavar="X", type=float, default=0.6, help="length penalty; default 0.6")
    _number(add, "--decode_extra_length", 50, "outputs beyond the input's length, or the text's beginning")


def _data_dir(add: Add) -> None:
    _path(add, "--data_dir", "records and vocabularies; default: $T2T_MM_HOME/data")


def _tmp_dir(add: Add) -> None:
    _path(add, "--tmp_dir", "where corpora lie; default: /tmp/t2t_datagen", default=Path("/tmp/t2t_datagen"))


def _finish(parser: Parser) -> Parser:
    """Add the flags that every command has, the last group of its help."""
    add = parser.group("every command")
    _texts(add, "--t2t_usr_dir", "DIR", "package folder of a plugin; may be repeated")
    listing = "list what can be named, if FILTER is in its name"
    add("--registry_help", metavar="FILTER", nargs="?", const="", help=listing)
    add("--format", choices=("text", "json"), default="text", help="of --registry_help")
    add("--help", "-h", action="help", help="show this and stop")
    return parser


def _text(add: Add, flag: str, value: str, help: str, default: str | None = None) -> None:
    add(flag, metavar=value, default=default, help=help)


def _texts(add: Add, flag: str, value: str, help: str) -> None:
    add(flag, metavar=value, action="append", default=[], help=help)


def _path(add: Add, flag: str, help: str, *aliases: str, default: Path | None = None) -> None:
    add(flag, *aliases, metavar="PATH", type=lambda text: Path(text).expanduser(), default=default, help=help)


def _number(add: Add, flag: str, default: int | None, help: str, *aliases: str, least: int = 0) -> None:
    said = help if default is None else f"{help}; default {default}"
    lowest = least if default is None else min(least, default)  # -1 is legal where it is the default
    add(flag, *aliases, metavar="N", type=at_least(lowest), default=default, help=said)


def _truth(add: Add, *flags: str, help: str) -> None:
    """A flag that is given alone, or as --flag=true or --flag=false, or as --noflag."""
    add(*flags, metavar="BOOL", nargs="?", const=True, default=False, type=truth, help=help)
    negations = [flag.replace("--", "--no", 1) for flag in flags]
    add(*negations, dest=flags[0].lstrip("-"), action="store_false", help=argparse.SUPPRESS)


def _schedule(text: str) -> str:
    if text not in SCHEDULES:
        raise argparse.ArgumentTypeError(str(UnknownName("schedule", text, SCHEDULES)))
    return SCHEDULES[text]
