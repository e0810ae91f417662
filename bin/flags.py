"""The trainer's parser: T2T's names and meanings, the everyday flags first."""

import argparse

from t2t_mm.bin.command import Parser
from t2t_mm.bin.common_flags import (
    add_boolean,
    add_data_dir,
    add_number,
    add_path,
    add_problems,
    add_text,
    add_texts,
    add_tmp_dir,
    finish,
)
from t2t_mm.errors import UnknownName

TRAINER = "t2t-mm-trainer"
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
    add_problems(add)
    add_text(add, "--hparams_set", "NAME", "sizes and rates; --registry_help=hparams_sets lists them")
    add_text(add, "--hparams", "N=V,...", "what differs from the set, such as dropout=0.2,batch_size=1024", default="")
    ranges = "search instead: trials of hparams from these ranges; --registry_help=hparams_ranges lists them"
    add_text(add, "--hparams_range", "NAME", ranges)
    add_number(add, "--trials", 10, "with --hparams_range: how many", "--autotune_max_trials", least=1)
    add_text(add, "--model", "NAME", "checked against the model that the hparam set names")
    add = parser.group("where things lie")
    add_data_dir(add)
    add_tmp_dir(add)
    add_path(add, "--output_dir", "checkpoints, logs, vocabularies; default: below $T2T_MM_HOME/runs")
    add_boolean(add, "--generate_data", help="make missing data even where that downloads a corpus")
    add = parser.group("how long, how often")
    add_number(add, "--train_steps", 250000, "steps of the whole run")
    add_number(add, "--eval_steps", -1, "batches of each problem in an evaluation; -1: its whole dev set")
    add_number(add, "--local_eval_frequency", 2000, "steps between evaluations; 0: go by the clock alone")
    add_number(add, "--eval_throttle_seconds", 0, "seconds of training between evaluations; 0: go by the steps alone")
    add_boolean(add, "--dry_run", help="print the plan (rates, examples, tokens, epochs of each problem) and stop")
    whole = "look at the data, take a step on the largest batch of each problem, show its memory, and stop"
    add_boolean(add, "--check", help=whole)
    add_boolean(add, "--verify", help="with --check: compare all files with their checksums, and read every record")
    again = "take a step again whose loss was not finite, name the first such tensor, and stop: a file of <run>/faults"
    add_path(add, "--replay", again)
    profiled = "record where the time of ten steps goes, once all is compiled, and print tables of it"
    add_boolean(add, "--profile", "--dbgprofile", help=profiled)
    add = parser.group("checkpoints and repeatability")
    add_number(add, "--save_checkpoints_steps", 0, "steps between checkpoints; 0: go by the clock alone")
    add_number(add, "--save_checkpoints_secs", 600, "seconds between checkpoints; 0: go by the steps alone")
    add_number(add, "--keep_checkpoint_max", 20, "how many of the newest stay; 0: all")
    add_path(add, "--warm_start_from", "a new run begins with what fits of this run's, or checkpoint's, weights")
    add_number(add, "--random_seed", None, "equal seeds, equal runs; default: the run's own, 0 for a new run")
    schedules = f"one of {', '.join(SCHEDULES)}; the first three are the same"
    add("--schedule", metavar="NAME", type=_schedule, default="train_and_evaluate", help=schedules)
    add = parser.group("several processes")
    here = "on this host that train together, a GPU each; TF_CONFIG names those of several hosts"
    add_number(add, "--num_workers", 1, here, "--worker_gpu", least=1)
    add = parser.group("the best checkpoint, and when to stop")
    aim = "keep the best checkpoint too: problem/metric:weight, the higher the better; several by ',' make a mean"
    names = ("--best_metric", "--eval_early_stopping_metric", "--autotune_objective")
    add(*names, metavar="METRIC", default="", help=aim)
    add_number(add, "--eval_early_stopping_steps", 0, "without a better one end training; 0: never")
    least = "by which a better one is greater; default 0"
    add("--eval_early_stopping_metric_delta", metavar="X", type=float, default=0.0, help=least)
    add = parser.group("whole runs from gin files")
    add_texts(add, "--gin_file", "FILE", "bindings; may be repeated")
    add_texts(add, "--gin_param", "BINDING", "one binding, such as 'run.train_steps = 100'; may be repeated")
    return finish(parser)


def _schedule(text: str) -> str:
    if text not in SCHEDULES:
        raise argparse.ArgumentTypeError(str(UnknownName("schedule", text, SCHEDULES)))
    return SCHEDULES[text]
