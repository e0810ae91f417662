"""Generate data: vocabularies and lists of classes first, then the records of one problem after another."""

import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from t2t_mm.atomic_file import sweep
from t2t_mm.data.beam_runner import Beam, tfds_prepares_on
from t2t_mm.data.datagen.beam_pipeline import make_on_beam
from t2t_mm.data.datagen.reading import reading
from t2t_mm.data.datagen.resumable_build import ResumableBuild, exclusive, resumable_build, sweep_finished
from t2t_mm.data.datagen.workers import make_shards, plan_jobs
from t2t_mm.data.features.label import Label
from t2t_mm.data.input.generated_problem import GeneratedProblem, open_codecs
from t2t_mm.data.input.records import MANIFEST, Manifest, Shard, Split, SplitReader, check_fingerprints, files_of
from t2t_mm.data.input.shards import FORMAT, shard_name
from t2t_mm.errors import UserError
from t2t_mm.feature import Codec, Feature
from t2t_mm.fingerprint import fingerprint
from t2t_mm.hparam_set import DataHparams
from t2t_mm.problem import DEV, TRAIN, Problem

SHARDS = 4, 128  # fewest and most files of a training split; any other split is one file
EXAMPLES_A_SHARD = 10_000  # between these limits

Report = Callable[[str], None]
Splits = dict[str, tuple[int, int]]  # (examples, shards) by split


def generate(
    problems: Mapping[str, type[Problem]],
    data_dir: Path,
    tmp_dir: Path,
    *,
    seed: int = 0,
    download: bool = False,
    max_cases: int = 0,
    num_shards: int = 0,
    processes: int = 1,
    beam: Beam | None = None,
    start: Callable[[], object] | None = None,
    report: Report = print,
) -> None:
    """Write the records of `problems` below `data_dir`.

    Vocabularies and lists of classes that do not exist are made first.

    Existing data is kept and reported. A build that an equal call started before it was killed is continued. The output
    has the same bytes for any number of processes. A corpus that is not below `tmp_dir` is downloaded if `download` is
    set.

    Args:
        max_cases: the maximum number of examples of each split, taken from its start; 0: all.
        num_shards: the number of files of a training split; 0: it depends on the size.
        processes: the number of processes that make records. Each one but this calls `start` first.
        beam: make records on this runner of Apache Beam instead, one shard at a time, and let TFDS use it too.

    Raises UserError if a corpus is missing or unreadable, existing data needs another vocabulary, the disk is full, or
    another process builds the same data. Nothing half-written is left then.
    """
    if beam is not None:
        beam.check()
    with tfds_prepares_on(beam):
        missing = _missing(problems, data_dir, tmp_dir, download, report)
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        with exclusive(data_dir):
            sweep(data_dir)
            _prepare(missing, data_dir, tmp_dir, max_cases, seed, report)
    except OSError as error:
        raise UserError(f"The vocabularies and lists of classes can't be made: {error}.") from None
    for name, problem in missing.items():
        with reading(tmp_dir):
            splits = _splits(problem, tmp_dir, max_cases, num_shards)
        fingerprints = {file: fingerprint(data_dir / file) for file in files_of(problem)}
        codecs = open_codecs(problem, data_dir)
        try:
            with resumable_build(data_dir / name, _plan(name, problem, splits, fingerprints, seed)) as build:
                most = max(shards for _, shards in splits.values())
                jobs = plan_jobs(problem, data_dir, tmp_dir, build, splits, most if beam else processes)
                if build.resumed:
                    left, of = sum(len(job.shards) for job in jobs), sum(shards for _, shards in splits.values())
                    report(f"{name}: resuming; {of - left} of {of} files are finished.")
                if beam is None:
                    make_shards(jobs, processes, start, name, report)
                else:
                    make_on_beam(jobs, beam, start, name)
                written, counts = _merge(build, splits, codecs)
                for split in splits:
                    _check(name, split, written[split], tmp_dir)
                    report(_summary(name, split, written[split], codecs))
                base = baseline(counts[TRAIN], counts[DEV])
                Manifest(name, tuple(codecs), written, fingerprints, base, seed, max_cases).write(build.records)
        except BrokenProcessPool:
            raise UserError(
                f"A process that made {name} was killed, most often because memory ran out. The same command continues "
                f"from the finished files. Give it a smaller --num_concurrent_processes."
            ) from None


def _plan(
    name: str, problem: type[Problem], splits: Splits, fingerprints: Mapping[str, str], seed: int
) -> dict[str, Any]:
    """Return everything that the bytes of the records depend on. A build may be continued only under an equal plan."""
    features = {  # without the memory address in the repr of a plain object
        feature: re.sub(r" at 0x[0-9a-f]+", "", repr(carried)) for feature, carried in problem.features().items()
    }
    return {
        "problem": f"{name}, {problem.__module__}:{problem.__qualname__}",
        "features": features,
        "splits": splits,
        "fingerprints": fingerprints,
        "seed": seed,
        "format": FORMAT,
    }


def _missing(
    problems: Mapping[str, type[Problem]], data_dir: Path, tmp_dir: Path, download: bool, report: Report
) -> dict[str, type[Problem]]:
    """Return the problems that are not generated yet, after a check that all of their corpora are present."""
    missing = {}
    for name, problem in problems.items():
        if generated(name, problem, data_dir):
            cases = Manifest.read(data_dir / name).max_cases
            part = f" (of --max_cases={cases})" if cases else ""
            report(f"{name}: exists already, in {data_dir / name}{part}.")
            continue
        missing[name] = problem
    with reading(tmp_dir):
        absent = [name for name, problem in missing.items() if not problem.source.present(tmp_dir)] if download else []
    sizes = {name: missing[name].source.download_bytes(tmp_dir) for name in absent}
    # Corpora without a known size come first, so the user learns what to get by hand before a large download starts.
    for name in sorted(absent, key=lambda name: sizes[name]):
        if missing[name].source.present(tmp_dir):  # downloaded meanwhile for another problem
            continue
        if sizes[name]:
            _check_present({name: problem for name, problem in missing.items() if not sizes.get(name)}, tmp_dir)
            report(f"{name}: downloading its corpus to {tmp_dir}, {sizes[name] / 1e9:,.2f} GB.")
        missing[name].source.fetch(tmp_dir)
    _check_present(missing, tmp_dir)
    for name, problem in missing.items():
        with reading(tmp_dir):
            notes = problem.source.notes(tmp_dir)
        for note in notes:
            report(f"{name}: {note}")
    return missing


def _check_present(problems: Mapping[str, type[Problem]], tmp_dir: Path) -> None:
    """Raise UserError naming every missing corpus, before anything is written."""
    lacking: dict[str, list[str]] = {}  # message -> the problems that it applies to
    for name, problem in problems.items():
        try:
            with reading(tmp_dir):
                problem.source.splits(tmp_dir)
        except UserError as error:
            lacking.setdefault(str(error), []).append(name)
    if len(lacking) == 1:
        raise UserError(*lacking)
    if lacking:
        raise UserError("\n".join(f"{', '.join(names)}: {message}" for message, names in lacking.items()))


def generated(name: str, problem: type[Problem], data_dir: Path) -> bool:
    """Return True if `name` was generated.

    Raises UserError if it was generated with other files than the present ones.
    """
    folder = data_dir / name
    if not folder.exists():
        return False
    if not (folder / MANIFEST).exists():
        raise UserError(f"{folder} exists but has no {MANIFEST}, so t2t-mm-datagen did not make it. Move it away.")
    check_fingerprints(Manifest.read(folder), problem, data_dir)
    sweep_finished(folder)
    return True


def _splits(problem: type[Problem], tmp_dir: Path, max_cases: int, num_shards: int) -> Splits:
    """Return the number of examples and shards of each split, the training split first."""
    splits: Splits = {}
    for split in sorted(problem.source.splits(tmp_dir), key=lambda split: split != TRAIN):
        examples = problem.source.count(split, tmp_dir)
        examples = min(examples, max_cases) if max_cases else examples
        by_size = min(max(examples // EXAMPLES_A_SHARD, SHARDS[0]), SHARDS[1])
        splits[split] = examples, (num_shards or by_size) if split == TRAIN else 1
    return splits


def _prepare(
    problems: Mapping[str, type[Problem]], data_dir: Path, tmp_dir: Path, max_cases: int, seed: int, report: Report
) -> None:
    """Make every file that the features need, once, from the training examples of all problems that share it."""
    users: dict[tuple[str, ...], dict[str, list[str]]] = {}  # files -> problem -> names of features
    for name, problem in problems.items():
        for feature_name, feature in problem.features().items():
            if feature.files():
                users.setdefault(feature.files(), {}).setdefault(name, []).append(feature_name)
    for names_by_problem in users.values():
        sharing = [problems[name].features()[feature] for name, names in names_by_problem.items() for feature in names]
        samples = {
            name: _samples(
                problems[name], {feature: problems[name].features()[feature] for feature in names}, tmp_dir, max_cases
            )
            for name, names in names_by_problem.items()
        }
        sharing[0].prepare(data_dir, sharing, samples, seed, report)


def _samples(problem: type[Problem], features: Mapping[str, Feature], tmp_dir: Path, max_cases: int) -> Iterator[str]:
    with reading(tmp_dir):
        if all(isinstance(feature, Label) for feature in features.values()):
            if classes := problem.source.classes(tmp_dir):
                yield from classes  # no need to read every image for the name of its class
                return
        for example in islice(problem.source.examples(TRAIN, tmp_dir), max_cases or None):
            for name, feature in features.items():
                yield from feature.sample(example.values[name]).splitlines()


def _merge(
    build: ResumableBuild, splits: Splits, codecs: Mapping[str, Codec]
) -> tuple[dict[str, Split], dict[str, np.ndarray]]:
    """Merge the notes of each split's shards.

    Returns the splits, and how often each symbol of the targets occurs in each.
    """
    merged, counts = {}, {}
    for split, (_, of) in splits.items():
        shards: list[Shard] = []
        dropped: dict[str, int] = {}
        tokens_F = np.zeros(len(codecs), np.int64)
        counts[split] = np.zeros(codecs["targets"].port.size, np.int64)
        for file in (shard_name(split, shard, of) for shard in range(of)):
            written = build.finished(file)
            if written is None:
                raise OSError(f"{build.records / file} is gone")
            shards.append(Shard(file, written.examples, written.sha256, written.bytes))
            tokens_F += np.array(written.tokens)
            counts[split] += written.symbols_V
            for reason, count in written.dropped.items():
                dropped[reason] = dropped.get(reason, 0) + count
        tokens = dict(zip(codecs, tokens_F.tolist(), strict=True))
        merged[split] = Split(sum(shard.examples for shard in shards), tuple(shards), tokens, dropped)
    return merged, counts


def _check(name: str, split: str, written: Split, tmp_dir: Path) -> None:
    if not written.examples:
        dropped = f"; {_reasons(written)}" if written.dropped else ""
        raise UserError(f"The split {split!r} of {name} is empty below {tmp_dir}{dropped}.")


def baseline(train_V: np.ndarray, dev_V: np.ndarray) -> dict[str, float]:
    """Return the unigram baseline: dev targets under the unigrams of train, with add-one smoothing, without the input.

    `train_V` and `dev_V` count the symbols of targets. "nats_per_token" is the mean negative log-likelihood; "accuracy"
    is that of always predicting the most frequent symbol. Empty for targets without symbols.
    """
    if not dev_V.sum():
        return {}
    log_V = np.log((train_V + 1) / (train_V.sum() + len(train_V)))
    return {
        "nats_per_token": float(-(dev_V * log_V).sum() / dev_V.sum()),
        "accuracy": float(dev_V[train_V.argmax()] / dev_V.sum()),
    }


def _summary(name: str, split: str, written: Split, codecs: Mapping[str, Codec]) -> str:
    lengths = [
        f"{feature} of {codecs[feature].measured(total)}"
        for feature, total in written.tokens.items()
        if total > written.examples
    ]
    return "; ".join(
        [f"{name}: {split} has {written.examples:,} examples", *lengths]
        + ([_reasons(written)] if written.dropped else [])
    )


def _reasons(written: Split) -> str:
    return "left out: " + ", ".join(f"{count:,} {reason}" for reason, count in written.dropped.items())


def inspect(ready: GeneratedProblem, split: str = DEV, count: int = 3) -> list[str]:
    """Return `count` examples spread over a split as lines of text, decoded from the records, with their lengths."""
    written = ready.manifest.splits[split]
    indices = np.linspace(0, written.examples - 1, min(count, written.examples)).astype(int).tolist()
    lines = []
    for record in SplitReader(ready.folder, written).read(indices):
        lines.append(f"{ready.name} {split} {record['id']}")
        source = None
        for name, codec in ready.codecs.items():
            shown = codec.show(codec.load(record[name], DataHparams(), None), source)
            lines.append(f"  {name} ({codec.length(record[name])}): {shown}")
            source = codec.value(record[name])
    return lines
