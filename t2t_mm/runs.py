"""Names and numbers to a ready run: what the trainer's flags, a gin file and a Python caller all come through."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from t2t_mm import run_directory
from t2t_mm.atomic_file import whole_file
from t2t_mm.cores import share_cores
from t2t_mm.data.datagen.generate import generate
from t2t_mm.data.input.check_records import check_briefly
from t2t_mm.data.input.generated_problem import GeneratedProblem, fingerprints, open_problem, signature_without_files
from t2t_mm.data.input.records import files_of
from t2t_mm.errors import UserError
from t2t_mm.fingerprint import fingerprint
from t2t_mm.gin_bindings import bindings, configurable
from t2t_mm.hparam_set import HparamSet
from t2t_mm.models.net import Net
from t2t_mm.models.ports import addresses
from t2t_mm.operative_config import OPERATIVE_CONFIG, operative_config
from t2t_mm.plugins import Plugin, load, used
from t2t_mm.registry import HPARAM_SETS, PROBLEMS
from t2t_mm.train.distributed.cluster import ALONE, Cluster
from t2t_mm.train.distributed.devices import use_all_devices
from t2t_mm.train.preflight import Preflight, preflight
from t2t_mm.train.step.steps import check_alone
from t2t_mm.train.trainer import Habits, Trainer
from t2t_mm.train.trial_step import TrialStep
from t2t_mm.train.warm_start import begin_warm

TRAIN_STEPS = 250_000  # T2T's

Report = Callable[[str], None]


def say(line: str) -> None:
    """A line of progress, on standard error."""
    print(line, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Run:
    """A run that is ready to train, evaluate or predict."""

    config: run_directory.RunRecord
    trainer: Trainer


def run(
    problems: Sequence[str] = (),
    hparams_set: str | None = None,
    hparams: str = "",
    model: str | None = None,
    *,
    data_dir: Path,
    tmp_dir: Path,
    output_dir: Path,
    generate_data: bool = False,
    train_steps: int | None = None,
    eval_steps: int = -1,
    local_eval_frequency: int = 2000,
    eval_throttle_seconds: float = 0,
    save_checkpoints_steps: int = 0,
    save_checkpoints_secs: float = 600,
    keep_checkpoint_max: int = 20,
    random_seed: int | None = None,
    warm_start_from: Path | str | None = None,
    best_metric: str = "",
    eval_early_stopping_steps: int = 0,
    eval_early_stopping_metric_delta: float = 0.0,
    profile: bool = False,
    left_out: Sequence[str] = (),
    plugins: Sequence[Plugin] = (),
    command_line: Sequence[str] = (),
    cluster: Cluster = ALONE,
    write: bool = True,
    report: Report = say,
) -> Run:
    """Make data where it is missing, and a run in `output_dir`, or go on with the one that is there.

    Args:
        problems: registered names; empty where the run in `output_dir` has them.
        hparams_set: a registered name; None for that of the run in `output_dir`.
        hparams: changes to the set, "name=value,...".
        model: checked against the model that the set names.
        data_dir: records and vocabularies.
        tmp_dir: where corpora lie.
        output_dir: the run directory.
        generate_data: allow what downloads a corpus.
        left_out: parts of the net that a new run does without, as in `Net`.
        train_steps: None for those of the run in `output_dir`, or 250,000.
        warm_start_from: None for what the run in `output_dir` began from.
        cluster: the workers that train together; the chief alone makes data and writes.
        write: say in `output_dir` what the run is; without that, what is there stays as it is.
        The rest are the trainer's flags of the same names.

    Raises UserError for a corpus that is missing, a run in `output_dir` that is another one, or a metric or a run to
    begin from that does not exist.
    """
    if eval_early_stopping_steps and not best_metric:
        raise UserError("--eval_early_stopping_steps asks for what is to get better: give --best_metric too.")
    if eval_steps == 0 or eval_steps < -1:
        raise UserError(f"--eval_steps={eval_steps} evaluates nothing; give 1 or more batches, or -1 for all.")
    earlier, problems, settings, seed = asked_for(
        problems, hparams_set, hparams, model, output_dir=output_dir, random_seed=random_seed
    )
    check_alone(settings.training, cluster.count)
    if write:
        share_cores(settings.training.batches_at_once, report)  # before a corpus is read by TensorFlow
    with cluster.chief_first():
        ready = make_data(problems, data_dir, tmp_dir, generate_data, report)
    for problem in ready.values():
        check_briefly(problem, settings.data)
    train_steps = train_steps if train_steps is not None else (earlier and earlier.train_steps) or TRAIN_STEPS
    names = sorted({name for problem in ready.values() for name in files_of(problem.problem)})
    signatures = {name: problem.signature for name, problem in ready.items()}
    config = run_directory.RunRecord(
        hparams_set=hparams_set or (earlier.hparams_set if earlier else ""),
        hparams=settings,
        problems=signatures,
        plugins=used(plugins or (earlier.plugins if earlier else ()), addresses(signatures, settings, hparams_set)),
        seed=seed,
        target_ratios={name: problem.target_ratio for name, problem in ready.items()},
        left_out=earlier.left_out if earlier else tuple(left_out),
        files={name: fingerprint(data_dir / name) for name in names},
        records=fingerprints(ready),
        versions=run_directory.versions(),
        train_steps=train_steps,
        began_from=str(Path(warm_start_from).absolute()) if warm_start_from else earlier.began_from if earlier else "",
        command_line=tuple(command_line),
    )
    for difference in run_directory.check_same(earlier, config, output_dir) if earlier else ():
        report(f"Going on with a difference: {difference}")
    if cluster.chief and write:
        run_directory.copy_files(data_dir, output_dir, config.files)
    use_all_devices(cluster)
    trainer = Trainer(
        ready,
        settings,
        output_dir,
        seed=seed,
        train_steps=train_steps,
        habits=Habits(
            eval_steps=eval_steps,
            eval_every=local_eval_frequency,
            eval_seconds=eval_throttle_seconds,
            save_every=save_checkpoints_steps,
            save_seconds=save_checkpoints_secs,
            keep=keep_checkpoint_max,
            best_metric=best_metric,
            best_delta=eval_early_stopping_metric_delta,
            patience=eval_early_stopping_steps,
            profile=profile,
        ),
        cluster=cluster,
        left_out=config.left_out,
        report=report,
    )
    if config.began_from and (warm_start_from is not None or not trainer.began):
        begin_warm(trainer, Path(config.began_from), config.files, report)
    asked = {
        "problems": problems,
        "hparams_set": config.hparams_set,
        "random_seed": seed,
        "train_steps": train_steps,
        "eval_steps": eval_steps,
        "local_eval_frequency": local_eval_frequency,
        "eval_throttle_seconds": eval_throttle_seconds,
        "save_checkpoints_steps": save_checkpoints_steps,
        "save_checkpoints_secs": save_checkpoints_secs,
        "keep_checkpoint_max": keep_checkpoint_max,
        "warm_start_from": config.began_from or None,
        "best_metric": best_metric,
        "eval_early_stopping_steps": eval_early_stopping_steps,
        "eval_early_stopping_metric_delta": eval_early_stopping_metric_delta,
        "left_out": config.left_out or None,
    }
    places = [f"--data_dir={data_dir}", f"--tmp_dir={tmp_dir}"]
    places += [f"--t2t_usr_dir={plugin.origin}" for plugin in config.plugins if plugin.is_folder]
    if cluster.chief and write:
        run_directory.save(config, output_dir)
        with whole_file(output_dir / OPERATIVE_CONFIG) as partial:
            partial.write_text(operative_config(asked, settings, places), encoding="utf-8")
    return Run(config, trainer)


def check(
    problems: Sequence[str] = (),
    hparams_set: str | None = None,
    hparams: str = "",
    model: str | None = None,
    *,
    data_dir: Path,
    tmp_dir: Path,
    output_dir: Path,
    generate_data: bool = False,
    random_seed: int | None = None,
    plugins: Sequence[Plugin] = (),
    checksums: bool = False,
    report: Report = say,
) -> Preflight:
    """What can be found out about a run before its first step: `run` with the same arguments would begin it.

    Data is made where it is missing; nothing is written to `output_dir`. `checksums` reads every file and record.

    Raises UserError as `run` does.
    """
    earlier, names, settings, seed = asked_for(
        problems, hparams_set, hparams, model, output_dir=output_dir, random_seed=random_seed
    )
    ready = make_data(names, data_dir, tmp_dir, generate_data, report)
    if earlier:
        run_directory.check_records(earlier, fingerprints(ready), output_dir)
    loaded = tuple(plugins or (earlier.plugins if earlier else ()))
    left_out = earlier.left_out if earlier else ()
    trial = TrialStep(names, settings, data_dir, seed, partial(load, (), loaded), left_out)
    report("Looking at the data, then taking a step of each problem in a process of its own.")
    return preflight(ready, trial, checksums=checksums)


def asked_for(
    problems: Sequence[str] = (),
    hparams_set: str | None = None,
    hparams: str = "",
    model: str | None = None,
    *,
    output_dir: Path,
    random_seed: int | None = None,
) -> tuple[run_directory.RunRecord | None, tuple[str, ...], HparamSet, int]:
    """The run in `output_dir`, if there is one, and the problems, hparams and seed of the one that is asked for.

    Makes and writes nothing. Raises UserError for names that say too little, and as `check_learnable`.
    """
    earlier = run_directory.load(output_dir) if (output_dir / run_directory.CONFIG).is_file() else None
    problems = tuple(problems) or tuple(earlier.problems if earlier else ())
    if earlier and set(problems) == set(earlier.problems):
        problems = tuple(earlier.problems)  # what a run does depends on their order
    if not problems:
        raise UserError("No problem is named: give --problems, or bind run.problems.")
    settings = _settings(hparams_set, hparams, earlier)
    if model is not None and model != settings.model:
        raise UserError(f"--model={model} was asked for, but the hparam set is one of {settings.model}.")
    check_learnable(problems, settings)
    return earlier, problems, settings, random_seed if random_seed is not None else earlier.seed if earlier else 0


def check_learnable(problems: Sequence[str], hparams: HparamSet) -> None:
    """Raise UserError for a problem that the model can't take, as far as that is known before its data is made."""
    Net({name: signature_without_files(PROBLEMS[name]) for name in problems}, hparams)


def make_data(
    names: Sequence[str], data_dir: Path, tmp_dir: Path, generate_data: bool, report: Report = say
) -> dict[str, GeneratedProblem]:
    """The problems, generated below `data_dir` where they were not yet.

    What is made on the spot or found below `tmp_dir` is generated without asking; `generate_data` allows downloads.
    """
    problems = {name: PROBLEMS[name] for name in names}
    missing = {name: problem for name, problem in problems.items() if not (data_dir / name).is_dir()}
    if missing:
        report(f"Generating {', '.join(missing)} in {data_dir}.")
        generate(missing, data_dir, tmp_dir, download=generate_data, report=report)
    return {name: open_problem(name, problem, data_dir) for name, problem in problems.items()}


def _settings(hparams_set: str | None, changes: str, earlier: run_directory.RunRecord | None) -> HparamSet:
    """The hparams asked for: those of the set (or of the earlier run), then gin's bindings, then `changes`."""
    if hparams_set is not None:
        settings = HPARAM_SETS[hparams_set]()
    elif earlier is not None:
        settings = earlier.hparams
    else:
        raise UserError(f"No hparam set is named: give --hparams_set, one of {', '.join(HPARAM_SETS)}.")
    for record in ("body", "training", "data"):
        kind = type(getattr(settings, record))
        settings = settings.with_values(bindings(kind))
    return settings.override(changes)


configurable(run)
