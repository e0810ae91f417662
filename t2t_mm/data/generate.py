"""Raw examples to records: vocabularies first, then one problem after another."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from t2t_mm.data.label import Label
from t2t_mm.data.ready import ReadyProblem, open_codecs
from t2t_mm.data.records import (
    MANIFEST,
    Manifest,
    Split,
    SplitReader,
    SplitWriter,
    check_fingerprints,
    complete_or_absent,
    files_of,
)
from t2t_mm.data.references import is_blank
from t2t_mm.errors import UserError
from t2t_mm.fingerprint import fingerprint
from t2t_mm.hparam_set import DataHparams
from t2t_mm.problem import DEV, TRAIN, Codec, Example, Feature, Problem

SHARDS = {TRAIN: 4}  # files of a split; 1 of any other
LONGEST = 2**14  # ids or frames; an example with a longer feature is left out of every split: no batch could hold it
SECONDS_BETWEEN_REPORTS = 10.0

Report = Callable[[str], None]


def generate(
    problems: Mapping[str, type[Problem]],
    data_dir: Path,
    tmp_dir: Path,
    *,
    seed: int = 0,
    download: bool = False,
    report: Report = print,
) -> None:
    """Write the records of `problems` below `data_dir`, making the vocabularies and lists of classes that are missing.

    What is there already is left as it is, with a line that says so. A corpus that is not below `tmp_dir` is fetched if
    `download` allows it. Nothing half-written stays behind. Raises UserError for a corpus that is missing or can't be
    read, data that stands on another vocabulary, or a full disk.
    """
    missing = {}
    for name, problem in problems.items():
        if generated(name, problem, data_dir):
            report(f"{name}: is there already, in {data_dir / name}.")
        else:
            missing[name] = problem
            if download and not problem.source.present(tmp_dir):
                problem.source.fetch(tmp_dir)
            problem.source.splits(tmp_dir)  # a corpus that is not there stops the call before anything is written
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        _prepare(missing, data_dir, tmp_dir, seed, report)
    except OSError as error:
        raise UserError(f"The vocabularies and lists of classes can't be made: {error}.") from None
    for name, problem in missing.items():
        beside = data_dir / f"{name}.partial-{os.getpid()}"
        with complete_or_absent(data_dir / name, beside) as folder:
            manifest = _write(name, problem, data_dir, folder, tmp_dir, seed, report)
            manifest.write(folder)


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
    return True


def _prepare(problems: Mapping[str, type[Problem]], data_dir: Path, tmp_dir: Path, seed: int, report: Report) -> None:
    """Make every file that the features stand on, once, from the training examples of all problems that share it."""
    users: dict[tuple[str, ...], dict[str, list[str]]] = {}  # files to problem to names of features
    for name, problem in problems.items():
        for feature_name, feature in problem.features().items():
            if feature.files():
                users.setdefault(feature.files(), {}).setdefault(name, []).append(feature_name)
    for names_by_problem in users.values():
        alike = [problems[name].features()[feature] for name, names in names_by_problem.items() for feature in names]
        samples = {
            name: _samples(problems[name], {feature: problems[name].features()[feature] for feature in names}, tmp_dir)
            for name, names in names_by_problem.items()
        }
        alike[0].prepare(data_dir, alike, samples, seed, report)


def _samples(problem: type[Problem], features: Mapping[str, Feature], tmp_dir: Path) -> Iterator[str]:
    if all(isinstance(feature, Label) for feature in features.values()):
        if classes := problem.source.classes(tmp_dir):
            yield from classes  # spares reading every picture for the name of its class
            return
    for example in problem.source.examples(TRAIN, tmp_dir):
        for name, feature in features.items():
            yield from feature.sample(example.values[name]).splitlines()


def _write(
    name: str, problem: type[Problem], data_dir: Path, folder: Path, tmp_dir: Path, seed: int, report: Report
) -> Manifest:
    codecs = open_codecs(problem, data_dir)
    splits: dict[str, Split] = {}
    counts: dict[str, np.ndarray] = {}  # of target symbols, by split
    for split in sorted(problem.source.splits(tmp_dir), key=lambda split: split != TRAIN):
        progress = _Progress(f"{name} {split}", report)
        writer = SplitWriter(folder, split, tuple(codecs), SHARDS.get(split, 1))
        counts[split] = np.zeros(codecs["targets"].port.size, np.int64)
        try:
            for example in problem.source.examples(split, tmp_dir):
                _add(writer, codecs, example, counts[split])
                progress.count(writer.examples)
        except BaseException:
            writer.abandon()
            raise
        splits[split] = writer.close()
        if not splits[split].examples:
            dropped = f"; {_reasons(splits[split])}" if splits[split].dropped else ""
            raise UserError(f"The split {split!r} of {name} is empty below {tmp_dir}{dropped}.")
        report(_summary(name, split, splits[split], codecs))
    fingerprints = {file: fingerprint(data_dir / file) for file in files_of(problem)}
    return Manifest(name, tuple(codecs), splits, fingerprints, baseline(counts[TRAIN], counts[DEV]), seed)


def _add(writer: SplitWriter, codecs: Mapping[str, Codec], example: Example, counts_V: np.ndarray) -> None:
    values = {name: example.values[name] for name in codecs}
    if any(is_blank(value) for value in values.values()):
        writer.drop("empty")
        return
    try:
        stored = {name: codec.store(values[name]) for name, codec in codecs.items()}
    except UserError as error:
        raise UserError(f"Example {example.id} can't be carried: {error}") from None
    lengths = {name: codec.length(stored[name]) for name, codec in codecs.items()}
    for name, length in lengths.items():
        if length > LONGEST:
            writer.drop(f"longer than {codecs[name].measured(LONGEST)}")
            return
    writer.add(example.id, stored, lengths)
    np.add.at(counts_V, codecs["targets"].symbols(stored["targets"]), 1)


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


@dataclass
class _Progress:
    """A line now and then while a long split is written."""

    what: str
    report: Report
    last: float = field(default_factory=time.monotonic)

    def count(self, examples: int) -> None:
        now = time.monotonic()
        if now - self.last > SECONDS_BETWEEN_REPORTS:
            self.last = now
            self.report(f"{self.what}: {examples:,} examples so far")


def inspect(ready: ReadyProblem, split: str = DEV, count: int = 3) -> list[str]:
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
