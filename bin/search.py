"""Hyperparameter search, the trainer's --hparams_range: trials with hparams drawn from ranges.

Each trial is a run in a process of its own. Its run directory is `<output_dir>/trial-<number>`; what it prints is in
`output.txt` there. A trial's score is the best value of --best_metric in its evaluations.
"""

import json
import math
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from t2t_mm.errors import UserError
from t2t_mm.evaluation.results import LOSS
from t2t_mm.evaluation.table import Table
from t2t_mm.hparam_ranges import Value, changes, check_ranges
from t2t_mm.registry import HPARAM_RANGES, HPARAM_SETS, PROBLEMS
from t2t_mm.run_config import TRAIN_STEPS, RunConfig, flags_of
from t2t_mm.run_tools.hparam_search import Search, SearchTrial, TrialOutcome
from t2t_mm.train.best_checkpoint import Aim
from t2t_mm.train.run_lock import run_lock
from t2t_mm.train.signals import Stop, stoppable

FAILURES_IN_A_ROW = 3  # end a search
POLL_SECONDS = 0.5  # between two looks at a trial's log
PROGRAM = "t2t-mm-trainer"


def search(config: RunConfig, plugin_dirs: Sequence[str]) -> int:
    """Search as the trainer's flags say; print a line for each event and a table at the end. Returns the exit code.

    Raises UserError for ranges that do not fit the hparam set, for another search in the folder, and if
    FAILURES_IN_A_ROW trials fail one after the other.
    """
    from rich.console import Console

    config = replace(config, train_steps=config.train_steps or TRAIN_STEPS)
    folder = config.output_dir or Path()
    ranges = HPARAM_RANGES[config.hparams_range or ""]()
    check_ranges(ranges, HPARAM_SETS[config.hparams_set or ""]().override(config.hparams))
    metrics = {name: [LOSS, *PROBLEMS[name].metrics] for name in config.problems}
    aim = Aim.parse(config.best_metric, metrics)
    settings = ("problems", "hparams_set", "hparams", "hparams_range", "best_metric", "train_steps", "random_seed")
    about = {name: str(getattr(config, name)) for name in settings}
    with run_lock(folder), stoppable() as stop:
        study = Search(folder, ranges, about, config.random_seed or 0)
        failures = 0
        while len(study.outcomes()) < config.trials and not stop.requested:
            trial = study.next()
            reason = run_trial(study, trial, config, plugin_dirs, aim, stop)
            failures = failures + 1 if reason else 0
            if failures == FAILURES_IN_A_ROW:
                raise UserError(f"{FAILURES_IN_A_ROW} trials in a row failed, the last one with: {reason}")
    if stop.requested:
        say("stopped; run the same command to resume the search.")
        return stop.exit_code
    trials = study.outcomes()
    table_of(config, trials).show(Console())
    scored = [(trial.score, trial) for trial in trials if trial.score is not None]
    if not scored:
        raise UserError(f"No trial has a score. See output.txt of the trials in {folder}.")
    best = max(scored, key=lambda pair: pair[0])[1]
    print(f"\nThe best trial is {best.name}. This command, with more --train_steps, trains it further:\n")
    print(f"{PROGRAM} {shlex.join(trial_flags(config, plugin_dirs, best.name, best.values))}")
    return 0


def run_trial(
    study: Search, trial: SearchTrial, config: RunConfig, plugin_dirs: Sequence[str], aim: Aim, stop: Stop
) -> str:
    """Train a trial in a process of its own, or end it early (pruning). Returns why it failed, or "".

    A trial that `stop` interrupts is resumed by the next search. Raises UserError if a process that an earlier search
    left behind is still training it.
    """
    folder = (config.output_dir or Path()) / trial.name
    with run_lock(folder):  # raises the error that names the process
        pass
    say(f"{trial.name}: {changes(trial.values)}")
    command = [sys.executable, "-m", "t2t_mm.bin.trainer", *trial_flags(config, plugin_dirs, trial.name, trial.values)]
    output, scores, ending = folder / "output.txt", dict[int, float](), False
    with open(output, "ab") as file:  # a session of its own: Ctrl-C is for the search, which passes it on once
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True)
    evaluations = evaluations_in(folder / "log.jsonl", aim)
    try:
        while True:
            ended = process.poll() is not None
            for step, score in next(evaluations):
                say(f"{trial.name}: {config.best_metric} is {score:.4g} at step {step:,}")
                scores[step] = score
                if study.evaluated(trial, step, score) and step < (config.train_steps or TRAIN_STEPS) and not ending:
                    process.terminate()
                    ending = True
            if ended:
                break
            if stop.requested and not ending:
                process.terminate()
                ending = True
            time.sleep(POLL_SECONDS)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
    if process.returncode == 0 and scores:
        study.trained(trial, max(scores.values()))
    elif stop.requested:
        return ""
    elif ending:
        study.pruned(trial)
        say(f"{trial.name}: pruned: other trials were better at step {max(scores):,}")
    else:
        reason = last_line(output) if process.returncode else "its evaluations gave no score"
        study.failed(trial, reason)
        say(f"{trial.name}: failed: {reason} See {output}.")
        return reason
    return ""


def evaluations_in(log: Path, aim: Aim) -> Iterator[list[tuple[int, float]]]:
    """Yield the (step, score) of each evaluation that was added to `log` since the last look, again and again.

    Left out are evaluations of a step that was evaluated before, scores that are non-finite, and lines that a killed
    trial left incomplete.
    """
    place, seen = 0, set[int]()
    while True:
        new = []
        if log.is_file():
            with open(log, "rb") as file:
                file.seek(place)
                complete, newline, _ = file.read().rpartition(b"\n")
            place += len(complete) + len(newline)
            for line in filter(None, complete.split(b"\n")):
                try:
                    content = json.loads(line)
                    if content["kind"] == "evaluation" and content["step"] not in seen:
                        new.append((content["step"], aim.of(content["metrics"])))
                        seen.add(content["step"])
                except (ValueError, KeyError, TypeError, AttributeError):  # incomplete: the process was killed
                    continue
        yield [(step, score) for step, score in new if math.isfinite(score)]


def table_of(config: RunConfig, trials: Sequence[TrialOutcome]) -> Table:
    """Return the table of the trials, the best first."""
    names = list(dict.fromkeys(name for trial in trials for name in trial.values))
    ranked = sorted(trials, key=lambda trial: -math.inf if trial.score is None else trial.score, reverse=True)
    return Table(
        title=f"Search: {len(trials)} trials of {config.hparams_range}",
        columns=("trial", "best score", "last step", "state", *names),
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
        notes=[f"best score: the best {config.best_metric} in the evaluations of a trial; higher is better."],
    )


def trial_flags(config: RunConfig, plugin_dirs: Sequence[str], name: str, values: Mapping[str, Value]) -> list[str]:
    """Return the trainer's flags for the trial `name` with the hparams `values`."""
    trial = replace(
        config,
        hparams_range=None,
        trials=RunConfig().trials,
        output_dir=(config.output_dir or Path()) / name,
        hparams=",".join(filter(None, [config.hparams, changes(values)])),
    )
    return [*flags_of(trial), *(f"--t2t_usr_dir={folder}" for folder in plugin_dirs)]


def last_line(file: Path) -> str:
    """Return the last line of a text file that is not blank."""
    lines = [line.strip() for line in file.read_text(encoding="utf-8", errors="replace").splitlines()]
    return next((line for line in reversed(lines) if line), "it printed nothing.")


def say(line: str) -> None:
    """Print a line of progress on standard error."""
    print(f"{PROGRAM}: {line}", file=sys.stderr, flush=True)


def _cell(value: Value | None) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "-" if value is None else str(value)
