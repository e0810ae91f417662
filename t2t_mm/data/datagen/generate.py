"""Raw examples to records: vocabularies first, then one problem after another."""

import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from t2t_mm.atomic_file import sweep
from t2t_mm.data.beam_runner import Beam, preparing_on
from t2t_mm.data.datagen.beam_pipeline import make_on_beam
from t2t_mm.data.datagen.reading import reading
from t2t_mm.data.datagen.resumable_build import ResumableBuild, one_at_a_time, sweep_finished, unfinished
from t2t_mm.data.datagen.workers import jobs_of, make
from t2t_mm.data.features.label import Label
from t2t_mm.data.input.generated_problem import GeneratedProblem, open_codecs
from t2t_mm.data.input.records import MANIFEST, Manifest, Shard, Split, SplitReader, check_fingerprints, files_of
from t2t_mm.data.input.shards import FORMAT, shard_name
from t2t_mm.errors import UserError
from t2t_mm.feature import Codec, Feature
from t2t_mm.fingerprint import fingerprint
from t2t_mm.hparam_set import DataHparams
from t2t_mm.problem import DEV, TRAIN, Problem

SHARDS = 4, 128  # files of a training split, at least and at most; one of any other
EXAMPLES_A_SHARD = 10_000  # between these

Report = Callable[[str], None]
Splits = dict[str, tuple[int, int]]  # examples and shards of each


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
    """Write the records of `problems` below `data_dir`, making the vocabularies and lists of classes that are missing.

    What is there already is left as it is, with a line that says so. What an equal call began that was killed is gone
    on with: what comes out has the same bytes, in whatever number of processes. A corpus that is not below `tmp_dir`
    is fetched if `download` allows it.

    Args:
        max_cases: examples of each split that are taken at most, the first ones; 0: all.
        num_shards: files of a training split; 0: by its size.
        processes: how many make records; called in each but this one, before it does anything, is `start`.
        beam: make records by this runner of Apache Beam instead, a shard at a time, and let TFDS use it.

    Raises UserError for a corpus that is missing or can't be read, data that stands on another vocabulary, a full disk,
    or another process at the same work. Then nothing half-written stays behind.
    """
    if beam is not None:
        beam.check()
    with preparing_on(beam):
        missing = _missing(problems, data_dir, tmp_dir, download, report)
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        with one_at_a_time(data_dir):
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
            with unfinished(data_dir / name, _plan(name, problem, splits, fingerprints, seed)) as here:
                most = max(shards for _, shards in splits.values())
                jobs = jobs_of(problem, data_dir, tmp_dir, here, splits, most if beam else processes)
                if here.went_on:
                    left, of = sum(len(job.shards) for job in jobs), sum(shards for _, shards in splits.values())
                    report(f"{name}: {of - left} of its {of} files were there; going on.")
                if beam is None:
                    make(jobs, processes, start, name, report)
                else:
                    make_on_beam(jobs, beam, start, name)
                written, counts = _joined(here, splits, codecs)
                for split in splits:
                    _check(name, split, written[split], tmp_dir)
                    report(_summary(name, split, written[split], codecs))
                base = baseline(counts[TRAIN], counts[DEV])
                Manifest(name, tuple(codecs), written, fingerprints, base, seed, max_cases).write(here.records)
        except BrokenProcessPool:
            raise UserError(
                f"A process that made {name} was killed, most often for want of memory. The same command goes on from "
                f"the files that are finished; give it a smaller --num_concurrent_processes."
            ) from None


def _plan(
    name: str, problem: type[Problem], splits: Splits, fingerprints: Mapping[str, str], seed: int
) -> dict[str, Any]:
    """All that the bytes depend on: what a call began, one with an equal plan may go on with."""
    features = {  # without the place in memory that the repr of a plain object tells
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
    """Those that are not generated yet, once the corpora of all of them are there."""
    missing = {}
    for name, problem in problems.items():
        if generated(name, problem, data_dir):
            cases = Manifest.read(data_dir / name).max_cases
            part = f" (of --max_cases={cases})" if cases else ""
            report(f"{name}: is there already, in {data_dir / name}{part}.")
            continue
        missing[name] = problem
    with reading(tmp_dir):
        absent = [name for name, problem in missing.items() if not problem.source.present(tmp_dir)] if download else []
    sizes = {name: missing[name].source.download_bytes(tmp_dir) for name in absent}
    # Those of no known size come first: what is to be got by hand is told before anything large is downloaded.
    for name in sorted(absent, key=lambda name: sizes[name]):
        if missing[name].source.present(tmp_dir):  # by now: another problem has the same
            continue
        if sizes[name]:
            _check_there({name: problem for name, problem in missing.items() if not sizes.get(name)}, tmp_dir)
            report(f"{name}: its corpus is downloaded to {tmp_dir}, {sizes[name] / 1e9:,.2f} GB.")
        missing[name].source.fetch(tmp_dir)
    _check_there(missing, tmp_dir)
    for name, problem in missing.items():
        with reading(tmp_dir):
            notes = problem.source.notes(tmp_dir)
        for note in notes:
            report(f"{name}: {note}")
    return missing


def _check_there(problems: Mapping[str, type[Problem]], tmp_dir: Path) -> None:
    """Raise UserError naming every corpus that is not there, before anything is written."""
    lacking: dict[str, list[str]] = {}  # what is to be done, and for which problems
    for name, problem in problems.items():
        try:
            with reading(tmp_dir):
                problem.source.splits(tmp_dir)
        except UserError as error:
            lacking.setdefault(str(error), []).append(name)
    if len(lacking) == 1:
        raise UserError(*lacking)
    if lacking:
        raise UserError("\n".join(f"{', '.join(names)}: {what}" for what, names in lacking.items()))


def generated(name: str, problem: type[Problem], data_dir: Path) -> bool:
    """Whether `name` was generated. Raises UserError when it was, but stands on other files than those now there."""
    folder = data_dir / name
    if not folder.exists():
        return False
    if not (folder / MANIFEST).exists():
        raise UserError(
            f"{folder} is in the way: it holds no {MANIFEST}, so t2t-mm-datagen did not make it. Move it away."
        )
    check_fingerprints(Manifest.read(folder), problem, data_dir)
    sweep_finished(folder)
    return True


def _splits(problem: type[Problem], tmp_dir: Path, max_cases: int, num_shards: int) -> Splits:
    """How many examples and shards each split has, the training split first."""
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
    """Make every file that the features stand on, once, from the training examples of all problems that share it."""
    users: dict[tuple[str, ...], dict[str, list[str]]] = {}  # files to problem to names of features
    for name, problem in problems.items():
        for feature_name, feature in problem.features().items():
            if feature.files():
                users.setdefault(feature.files(), {}).setdefault(name, []).append(feature_name)
    for names_by_problem in users.values():
        alike = [problems[name].features()[feature] for name, names in names_by_problem.items() for feature in names]
        samples = {
            name: _samples(
                problems[name], {feature: problems[name].features()[feature] for feature in names}, tmp_dir, max_cases
            )
            for name, names in names_by_problem.items()
        }
        alike[0].prepare(data_dir, alike, samples, seed, report)


def _samples(problem: type[Problem], features: Mapping[str, Feature], tmp_dir: Path, max_cases: int) -> Iterator[str]:
    with reading(tmp_dir):
        if all(isinstance(feature, Label) for feature in features.values()):
            if classes := problem.source.classes(tmp_dir):
                yield from classes  # spares reading every picture for the name of its class
                return
        for example in islice(problem.source.examples(TRAIN, tmp_dir), max_cases or None):
            for name, feature in features.items():
                yield from feature.sample(example.values[name]).splitlines()


def _joined(
    here: ResumableBuild, splits: Splits, codecs: Mapping[str, Codec]
) -> tuple[dict[str, Split], dict[str, np.ndarray]]:
    """What the shards of each split hold together, and how often each symbol of the targets occurs in it."""
    joined, counts = {}, {}
    for split, (_, of) in splits.items():
        shards: list[Shard] = []
        dropped: dict[str, int] = {}
        tokens_F = np.zeros(len(codecs), np.int64)
        counts[split] = np.zeros(codecs["targets"].port.size, np.int64)
        for file in (shard_name(split, shard, of) for shard in range(of)):
            written = here.written(file)
            if written is None:
                raise OSError(f"{here.records / file} is gone")
            shards.append(Shard(file, written.examples, written.sha256, written.bytes))
            tokens_F += np.array(written.tokens)
            counts[split] += written.symbols_V
            for reason, count in written.dropped.items():
                dropped[reason] = dropped.get(reason, 0) + count
        tokens = dict(zip(codecs, tokens_F.tolist(), strict=True))
        joined[split] = Split(sum(shard.examples for shard in shards), tuple(shards), tokens, dropped)
    return joined, counts


def _check(name: str, split: str, written: Split, tmp_dir: Path) -> None:
    if not written.examples:
        dropped = f"; {_reasons(written)}" if written.dropped else ""
        raise UserError(f"The split {split!r} of {name} is empty below {tmp_dir}{dropped}.")


def baseline(train_V: np.ndarray, dev_V: np.ndarray) -> dict[str, float]:
    """What is reached without reading the input: dev targets under the unigrams of train, each count raised by one.

    `train_V` and `dev_V` count the symbols of targets. "nats_per_token" is the mean negative log-likelihood, "accuracy"
    that of always saying the most frequent symbol. Empty for targets without symbols.
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
    """`count` examples spread over a split in lines of text, decoded from what the records hold, with their lengths."""
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
