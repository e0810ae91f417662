"""From a RunConfig to a run that is ready to train, evaluate or predict: for the trainer command and for Python."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from t2t_mm import run_directory
from t2t_mm.atomic_file import atomic_write
from t2t_mm.cores import share_cores
from t2t_mm.data.datagen.generate import generate
from t2t_mm.data.input.check_records import check_briefly
from t2t_mm.data.input.generated_problem import GeneratedProblem, fingerprints, open_problem, signature_without_files
from t2t_mm.data.input.records import files_of
from t2t_mm.errors import UserError
from t2t_mm.fingerprint import fingerprint
from t2t_mm.gin_bindings import bindings
from t2t_mm.hparam_set import RECORDS, HparamSet
from t2t_mm.models.net import body_and_modality_nets
from t2t_mm.models.ports import addresses
from t2t_mm.operative_config import OPERATIVE_CONFIG, operative_config
from t2t_mm.plugins import Plugin, load, used
from t2t_mm.registry import HPARAM_SETS, PROBLEMS
from t2t_mm.run_config import TRAIN_STEPS, RunConfig
from t2t_mm.run_directory import RunRecord
from t2t_mm.train.distributed.cluster import ALONE, Cluster
from t2t_mm.train.distributed.devices import use_all_devices
from t2t_mm.train.mixture.mixer import Mixer, ProblemFacts
from t2t_mm.train.preflight import Preflight, preflight
from t2t_mm.train.step.steps import check_alone
from t2t_mm.train.trainer import Trainer
from t2t_mm.train.trial_step import TrialStep
from t2t_mm.train.warm_start import begin_warm

Report = Callable[[str], None]

UNKNOWN_FACTS = ProblemFacts(examples=1, batches=1, tokens=1, unigram_nats=1.0)  # before a problem's data exists


def say(line: str) -> None:
    """Print a line of progress on standard error."""
    print(line, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class ResolvedRun:
    """A configuration with nothing left open, before any data is generated."""

    config: RunConfig
    requested: RunConfig  # as the caller gave it
    hparams: HparamSet  # the set, with gin's bindings and all changes
    earlier: RunRecord | None  # the run that `config.output_dir` holds already
    data_dir: Path
    output_dir: Path


@dataclass(frozen=True)
class Run:
    """A run that is ready to train, evaluate or predict."""

    record: RunRecord
    trainer: Trainer


def resolve(config: RunConfig) -> ResolvedRun:
    """Look up every name of `config`, and take what it leaves open from the run in its `output_dir`.

    Generates no data and writes nothing. Raises UserError for a missing problem, hparam set or folder, for an unknown
    name, and for a problem that the model cannot learn.
    """
    if config.data_dir is None or config.output_dir is None:
        missing = "--output_dir" if config.output_dir is None else "--data_dir"
        raise UserError(f"{missing} is missing: which folder should the run use?")
    has_run = (config.output_dir / run_directory.CONFIG).is_file()
    earlier = run_directory.load(config.output_dir) if has_run else None
    before = earlier.run_config if earlier else RunConfig()
    problems = config.problems or before.problems
    if set(problems) == set(before.problems):
        problems = before.problems  # their order decides what a run does
    if not problems:
        raise UserError("No problem is named: give --problems, or bind run.problems.")
    hparams = _hparams(config, earlier)
    if config.model is not None and config.model != hparams.model:
        raise UserError(f"--model={config.model} was given, but the hparam set is one of {hparams.model}.")
    check_learnable(problems, hparams)
    Mixer(dict.fromkeys(problems, UNKNOWN_FACTS), hparams.training, 0)  # its rates must name problems of the run
    seed = config.random_seed if config.random_seed is not None else before.random_seed
    source = config.warm_start_from
    resolved = replace(
        config,
        problems=problems,
        hparams_set=config.hparams_set if config.hparams_set is not None else before.hparams_set,
        random_seed=seed or 0,
        train_steps=config.train_steps if config.train_steps is not None else before.train_steps or TRAIN_STEPS,
        warm_start_from=source.absolute() if source is not None else before.warm_start_from,
        left_out=before.left_out if earlier else config.left_out,
    )
    return ResolvedRun(resolved, config, hparams, earlier, config.data_dir, config.output_dir)


def run(config: RunConfig, *, report: Report = say) -> Run:
    """Generate data that is missing, and make a run in `config.output_dir`, or go on with the one that is there.

    Raises UserError as `resolve` and `begin` do.
    """
    if not isinstance(config, RunConfig):
        raise UserError(
            "runs.run takes one RunConfig: runs.run(RunConfig(problems=..., hparams_set=..., data_dir=..., "
            f"output_dir=...)). Received: {type(config).__name__}."
        )
    return begin(resolve(config), report=report)


def begin(
    resolved: ResolvedRun,
    *,
    plugins: Sequence[Plugin] = (),
    command_line: Sequence[str] = (),
    cluster: Cluster = ALONE,
    write: bool = True,
    locked: bool = False,
    report: Report = say,
) -> Run:
    """Generate data that is missing, build the net, and write what the run is into its directory.

    Args:
        resolved: as `resolve` returns it.
        plugins: the plugins that this process has loaded; by default those of the earlier run.
        command_line: the command, for `config.json`.
        cluster: the workers that train together; the chief alone generates data and writes.
        write: False leaves the run directory as it is.
        locked: True if the caller holds the lock of the run directory.
        report: called with each line of progress.

    Raises UserError for a corpus that is missing, a different run in `output_dir`, and a metric or a run to start from
    that does not exist.
    """
    config, hparams, earlier, output_dir = resolved.config, resolved.hparams, resolved.earlier, resolved.output_dir
    check_alone(hparams.training, cluster.count)
    if write:
        share_cores(hparams.training.batches_at_once, report)  # before TensorFlow reads a corpus
    with cluster.chief_first():
        problems = make_data(config.problems, resolved.data_dir, config.tmp_dir, config.generate_data, report)
    for problem in problems.values():
        check_briefly(problem, hparams.data)
    record = _record(resolved, problems, plugins, command_line)
    for difference in run_directory.check_same(earlier, record, output_dir) if earlier else ():
        report(f"Going on with a difference: {difference}")
    if cluster.chief and write:
        run_directory.copy_files(resolved.data_dir, output_dir, record.files)
    use_all_devices(cluster)
    trainer = Trainer(problems, hparams, config, cluster=cluster, locked=locked, report=report)
    if config.warm_start_from is not None and (resolved.requested.warm_start_from is not None or not trainer.began):
        begin_warm(trainer, config.warm_start_from, record.files, report)
    if cluster.chief and write:
        run_directory.save(record, output_dir)
        with atomic_write(output_dir / OPERATIVE_CONFIG) as partial:
            partial.write_text(operative_config(record, resolved.data_dir, config.tmp_dir), encoding="utf-8")
    return Run(record, trainer)


def check(config: RunConfig, *, plugins: Sequence[Plugin] = (), report: Report = say) -> Preflight:
    """Find out what can be known about a run before its first step; `run` with the same configuration would begin it.

    Generates data that is missing and writes nothing into the run directory. With `config.verify` every file and
    record is read. Raises UserError as `run` does.
    """
    resolved = resolve(config)
    config, earlier = resolved.config, resolved.earlier
    problems = make_data(config.problems, resolved.data_dir, config.tmp_dir, config.generate_data, report)
    if earlier:
        run_directory.check_records(earlier, fingerprints(problems), resolved.output_dir)
    loaded = tuple(plugins or (earlier.plugins if earlier else ()))
    trial = TrialStep(config, resolved.hparams, resolved.data_dir, start=partial(load, (), loaded))
    report("Checking the data, then taking a step of each problem in a process of its own.")
    return preflight(problems, trial, checksums=config.verify)


def check_learnable(problems: Sequence[str], hparams: HparamSet) -> None:
    """Raise UserError for a problem that the model cannot learn, as far as that is known before its data exists."""
    body_and_modality_nets({name: signature_without_files(PROBLEMS[name]) for name in problems}, hparams)


def make_data(
    names: Sequence[str], data_dir: Path, tmp_dir: Path, generate_data: bool, report: Report = say
) -> dict[str, GeneratedProblem]:
    """Return the problems by name, generated below `data_dir` where they were not yet.

    Problems that need no corpus, or whose corpus lies below `tmp_dir`, are generated without asking; `generate_data`
    allows downloads.
    """
    problems = {name: PROBLEMS[name] for name in names}
    missing = {name: problem for name, problem in problems.items() if not (data_dir / name).is_dir()}
    if missing:
        report(f"Generating {', '.join(missing)} in {data_dir}.")
        generate(missing, data_dir, tmp_dir, download=generate_data, report=report)
    return {name: open_problem(name, problem, data_dir) for name, problem in problems.items()}


def _record(
    resolved: ResolvedRun,
    problems: Mapping[str, GeneratedProblem],
    plugins: Sequence[Plugin],
    command_line: Sequence[str],
) -> RunRecord:
    """Return the run as its directory will hold it."""
    config, earlier = resolved.config, resolved.earlier
    signatures = {name: problem.signature for name, problem in problems.items()}
    loaded = plugins or (earlier.plugins if earlier else ())
    names = sorted({name for problem in problems.values() for name in files_of(problem.problem)})
    return RunRecord(
        run_config=config,
        hparams=resolved.hparams,
        problems=signatures,
        target_ratios={name: problem.target_ratio for name, problem in problems.items()},
        plugins=used(loaded, addresses(signatures, resolved.hparams, resolved.requested.hparams_set)),
        files={name: fingerprint(resolved.data_dir / name) for name in names},
        records=fingerprints(problems),
        versions=run_directory.versions(),
        command_line=tuple(command_line),
    )


def _hparams(config: RunConfig, earlier: RunRecord | None) -> HparamSet:
    """Return the hparams: those of the set, or of the earlier run, then gin's bindings, then `config.hparams`."""
    if config.hparams_set is not None:
        hparams = HPARAM_SETS[config.hparams_set]()
    elif earlier is not None:
        hparams = earlier.hparams
    else:
        raise UserError(f"No hparam set is named: give --hparams_set, one of {', '.join(HPARAM_SETS)}.")
    for record in RECORDS:
        hparams = hparams.with_values(bindings(type(getattr(hparams, record))))
    return hparams.override(config.hparams)
