"""The trainer's --hparams_range: trials of hparams drawn from ranges, each a run of its own in a process of its own.

The run of a trial stands in `<output_dir>/trial-<number>`, with what it prints in `output.txt`. A trial's score is the
best that --best_metric reached in its evaluations.
"""

import argparse
import json
import math
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from t2t_mm.bin.flags import TRAINER, trainer_parser
from t2t_mm.errors import UserError
from t2t_mm.evaluation.results import LOSS
from t2t_mm.evaluation.table import Table
from t2t_mm.hparam_ranges import Value, changes, check_ranges
from t2t_mm.registry import HPARAM_RANGES, HPARAM_SETS, PROBLEMS
from t2t_mm.run_tools.hparam_search import Search, SearchTrial, TrialOutcome
from t2t_mm.train.best_checkpoint import Aim
from t2t_mm.train.run_lock import run_lock
from t2t_mm.train.signals import Stop, stoppable

IN_A_ROW = 3  # trials that fail one after the other end a search
LOOK = 0.5  # seconds between looks at a trial's log
OF_THE_SEARCH = {"hparams_range": None, "trials": None}  # flags that a trial does without


def search(options: argparse.Namespace) -> int:
    """Search as the trainer's flags say; print a line for each event and a table at the end. Returns the exit code.

    Raises UserError for ranges that do not fit the hparam set, for another search in the folder, and when trials fail
    in a row.
    """
    from rich.console import Console

    ranges = HPARAM_RANGES[options.hparams_range]()
    check_ranges(ranges, HPARAM_SETS[options.hparams_set]().override(options.hparams))
    metrics = {name: [LOSS, *PROBLEMS[name].metrics] for name in options.problems}
    aim = Aim.parse(options.best_metric, metrics)
    of = ("problems", "hparams_set", "hparams", "hparams_range", "best_metric", "train_steps", "random_seed")
    about = {name: str(getattr(options, name)) for name in of}
    with run_lock(options.output_dir), stoppable() as stop:
        found = Search(options.output_dir, ranges, about, options.random_seed or 0)
        failures = 0
        while len(found.outcomes()) < options.trials and not stop.asked:
            trial = found.next()
            why = run_trial(found, trial, options, aim, stop)
            failures = failures + 1 if why else 0
            if failures == IN_A_ROW:
                raise UserError(f"{IN_A_ROW} trials failed one after the other, the last one so: {why}")
    if stop.asked:
        say("stopped; the same command goes on.")
        return stop.exit_code
    trials = found.outcomes()
    table_of(options, trials).show(Console())
    scored = [(trial.score, trial) for trial in trials if trial.score is not None]
    if not scored:
        raise UserError("No trial has a score.")
    best = max(scored, key=lambda pair: pair[0])[1]
    print(f"\nThe best is {best.name}. With more --train_steps, this command goes on with it:\n")
    print(f"{TRAINER} {shlex.join(flags_of(options, best.name, best.values))}")
    return 0


def run_trial(found: Search, trial: SearchTrial, options: argparse.Namespace, aim: Aim, stop: Stop) -> str:
    """Train a trial in a process of its own, or end it early; returns why it failed, or nothing.

    A trial that `stop` interrupts stays as one that is under way. Raises UserError when a process that an earlier
    search left behind still trains it.
    """
    folder = options.output_dir / trial.name
    with run_lock(folder):  # to say who holds it
        pass
    say(f"{trial.name}: {changes(trial.values)}")
    command = [sys.executable, "-m", "t2t_mm.bin.trainer", *flags_of(options, trial.name, trial.values)]
    output, scores, ending = folder / "output.txt", dict[int, float](), False
    with open(output, "ab") as file:  # a session of its own: Ctrl-C is for the search, which passes it on once
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True)
    evaluations = followed(folder / "log.jsonl", aim)
    try:
        while True:
            over = process.poll() is not None
            for step, score in next(evaluations):
                say(f"{trial.name}: {options.best_metric} is {score:.4g} at step {step:,}")
                scores[step] = score
                if found.evaluated(trial, step, score) and step < options.train_steps and not ending:
                    process.terminate()
                    ending = True
            if over:
                break
            if stop.asked and not ending:
                process.terminate()
                ending = True
            time.sleep(LOOK)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
    if process.returncode == 0 and scores:
        found.trained(trial, max(scores.values()))
    elif stop.asked:
        return ""
    elif ending:
        found.pruned(trial)
        say(f"{trial.name}: ended, since other trials were better at step {max(scores):,}")
    else:
        why = last_line(output) if process.returncode else "its evaluations gave no score"
        found.failed(trial, why)
        say(f"{trial.name}: failed: {why} See {output}.")
        return why
    return ""


def followed(log: Path, aim: Aim) -> Iterator[list[tuple[int, float]]]:
    """Again and again, the (step, score) of the evaluations in `log` that are new; those that were made again, scores
    that are not finite, and lines cut short by a trial that was killed, are left out."""
    place, seen = 0, set[int]()
    while True:
        new = []
        if log.is_file():
            with open(log, "rb") as file:
                file.seek(place)
                whole, newline, _ = file.read().rpartition(b"\n")
            place += len(whole) + len(newline)
            for line in filter(None, whole.split(b"\n")):
                try:
                    content = json.loads(line)
                    if content["kind"] == "evaluation" and content["step"] not in seen:
                        new.append((content["step"], aim.of(content["metrics"])))
                        seen.add(content["step"])
                except (ValueError, KeyError, TypeError, AttributeError):  # cut short by a process that was killed
                    continue
        yield [(step, score) for step, score in new if math.isfinite(score)]


def table_of(options: argparse.Namespace, trials: Sequence[TrialOutcome]) -> Table:
    """The trials, the best first."""
    names = list(dict.fromkeys(name for trial in trials for name in trial.values))
    ranked = sorted(trials, key=lambda trial: -math.inf if trial.score is None else trial.score, reverse=True)
    return Table(
        title=f"Search: {len(trials)} trials of {options.hparams_range}",
        columns=("trial", "score", "step", "ended", *names),
        rows=[
            (
                trial.name,
                "-" if trial.score is None else f"{trial.score:.4f}",
                "-" if trial.step is None else f"{trial.step:,}",
                trial.ended,
                *(_cell(trial.values.get(name)) for name in names),
            )
            for trial in ranked
        ],
        notes=[f"score: the best {options.best_metric} of the evaluations of a trial; the higher the better."],
    )


def flags_of(options: argparse.Namespace, name: str, values: Mapping[str, Value]) -> list[str]:
    """The trainer's flags for the trial of that name and those values."""
    asked = vars(options) | OF_THE_SEARCH
    asked["problems"] = ",".join(options.problems)
    asked["output_dir"] = options.output_dir / name
    asked["hparams"] = ",".join(filter(None, [options.hparams, changes(values)]))
    return trainer_parser().giving(asked)


def last_line(file: Path) -> str:
    """The last line of a text file that is not blank."""
    lines = [line.strip() for line in file.read_text(encoding="utf-8", errors="replace").splitlines()]
    return next((line for line in reversed(lines) if line), "it said nothing.")


def say(line: str) -> None:
    """A line of progress, on standard error."""
    print(f"{TRAINER}: {line}", file=sys.stderr, flush=True)


def _cell(value: Value | None) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "-" if value is None else str(value)
