"""t2t-mm-trainer: train one model on several problems at once, and show what it learnt."""

import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from t2t_mm.bin.command import hushed, run_command
from t2t_mm.bin.flags import TRAINER, trainer_parser
from t2t_mm.bin.options import home, trainer_options
from t2t_mm.bin.problem_names import problem_names
from t2t_mm.bin.workers import run_workers
from t2t_mm.errors import UserError
from t2t_mm.train.distributed.cluster_spec import VARIABLE, parse_cluster_spec
from t2t_mm.train.run_lock import run_lock

EXAMPLES = 2  # decoded examples a problem, shown at the end
PASSED_ON = (
    "problems",
    "hparams_set",
    "hparams",
    "model",
    "data_dir",
    "tmp_dir",
    "output_dir",
    "generate_data",
    "train_steps",
    "eval_steps",
    "local_eval_frequency",
    "eval_throttle_seconds",
    "save_checkpoints_steps",
    "save_checkpoints_secs",
    "keep_checkpoint_max",
    "random_seed",
    "warm_start_from",
    "best_metric",
    "eval_early_stopping_steps",
    "eval_early_stopping_metric_delta",
    "profile",
)
ASKED = ("problems", "hparams_set", "hparams", "model", "output_dir", "random_seed")
PLACES = ("data_dir", "tmp_dir", "output_dir")
CHECKED = (  # what a run's data and steps depend on
    "problems",
    "hparams_set",
    "hparams",
    "model",
    "data_dir",
    "tmp_dir",
    "output_dir",
    "generate_data",
    "random_seed",
)


@run_command(TRAINER)
def main(argv: Sequence[str]) -> None:
    """Train, then evaluate every problem and decode examples of each."""
    options = trainer_options(argv)
    if options.hparams_range is not None:
        from t2t_mm.bin.search import search  # brings NumPy and rich, and Optuna, which runs do without

        if code := search(options):
            raise SystemExit(code)
        return
    trains = options.schedule != "evaluate" and not (options.dry_run or options.check or options.replay)
    own = parse_cluster_spec(os.environ.get(VARIABLE))
    if own is None and options.num_workers > 1 and trains:
        raise SystemExit(run_workers("t2t_mm.bin.trainer", argv, options.num_workers))
    if own is not None and own.index > 0 and not trains:
        return  # what the chief does alone
    with hushed():
        from t2t_mm import runs  # brings Keras and TensorFlow, which --help can do without
        from t2t_mm.gin_bindings import bound_arguments, parse_gin
        from t2t_mm.run_tools.replay import replay
        from t2t_mm.train.distributed.join import join

    parse_gin(options.gin_file, options.gin_param)
    bound: dict[str, Any] = bound_arguments(runs.run)
    if isinstance(bound.get("problems"), str):
        bound["problems"] = problem_names(str(bound["problems"]))
    bound |= {name: Path(str(bound[name])).expanduser() for name in PLACES if name in bound}
    said = trainer_parser().given(argv)
    arguments: dict[str, Any] = {
        name: getattr(options, name) for name in PASSED_ON if name in said or name not in bound
    }
    if "train_steps" not in said:
        arguments.pop("train_steps", None)  # those that gin binds, or of the run that goes on
    arguments = bound | arguments
    if arguments.get("output_dir") is None:
        raise UserError("--output_dir is missing: where should the run lie?")
    if arguments["data_dir"] is None:
        arguments["data_dir"] = home() / "data"
    if options.check:
        asked = {name: value for name, value in arguments.items() if name in CHECKED}
        say_whether_sound(runs.check(**asked, plugins=options.plugins, checksums=options.verify))
        return
    if options.replay is not None:
        folders = {"output_dir": options.output_dir, "data_dir": arguments["data_dir"]}
        print(replay(options.replay, options.hparams, **folders, report=runs.say))
        return
    cluster = join(own if trains else None, runs.say)
    runs.asked_for(**{name: arguments[name] for name in ASKED if name in arguments})  # a slip leaves no folder behind
    report = runs.say if cluster.chief else lambda line: None
    with run_lock(Path(arguments["output_dir"])) if trains and cluster.chief else nullcontext():
        ready = runs.run(
            **arguments,
            plugins=options.plugins,
            command_line=(TRAINER, *argv),
            cluster=cluster,
            write=trains,
            report=report,
        )
        code = follow(ready, options.schedule, options.dry_run)
    if code:
        raise SystemExit(code)


def say_whether_sound(found: Any) -> None:
    """Print what --check found. Raises UserError if a run should not begin."""
    from rich.console import Console

    for table in found.tables():
        table.show(Console())
        print()
    if found.faults:
        raise UserError("\n".join(found.faults))
    print("Nothing stands in the way of a run.")


def follow(ready: Any, schedule: str, dry_run: bool) -> int:
    """Print the plan, do what `schedule` says, and report. Returns the exit code."""
    from rich.console import Console

    from t2t_mm.evaluation.results import results_table
    from t2t_mm.evaluation.samples import samples
    from t2t_mm.train.mixture.plan import plan_table

    trainer = ready.trainer
    screen = Console(quiet=not trainer.cluster.chief)
    if schedule != "evaluate":
        plan_table(trainer.plan(), trainer.mixer.scheme).show(screen)
        for name, batches in trainer.batches.items():
            if batches.dropped:
                screen.print(
                    f"{name}: {batches.dropped:,} training examples are longer than {batches.limits}; left out."
                )
    if dry_run:
        return 0
    if schedule == "evaluate":
        if not trainer.began:
            raise UserError(f"There is no checkpoint in {trainer.output_dir} to evaluate.")
        results = trainer.evaluate()
    else:
        outcome = trainer.train() if schedule == "train" else trainer.train_and_evaluate()
        if outcome.stop.asked:
            stopped = f"stopped after step {trainer.step} and saved; the same command goes on"
            if trainer.cluster.chief:
                print(f"{TRAINER}: {stopped}.", file=sys.stderr)
            return outcome.stop.exit_code
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


if __name__ == "__main__":
    sys.exit(main())
