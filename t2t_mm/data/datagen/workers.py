"""Make shards from the examples of a source, in this process or in several.

The content of a shard depends only on the source, the number of shards and the place of each example. It does not
depend on the process that makes it, the time, or the number of failures before.
"""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing import connection
from pathlib import Path
from typing import Any

import numpy as np

from t2t_mm.data.datagen.reading import examples_from
from t2t_mm.data.datagen.resumable_build import ResumableBuild
from t2t_mm.data.features.references import is_blank
from t2t_mm.data.input.generated_problem import open_codecs
from t2t_mm.data.input.shards import ShardWriter, shard_name, shard_range
from t2t_mm.errors import UserError
from t2t_mm.feature import Codec
from t2t_mm.problem import Example, Problem

LONGEST = 2**14  # ids or frames; a longer example is left out of every split, because no batch could hold it
SECONDS_BETWEEN_REPORTS = 10.0

Count = Callable[[int], None]
Report = Callable[[str], None]
StoredExample = tuple[str, Mapping[str, bytes], Mapping[str, int], np.ndarray]  # the arguments of ShardWriter.add


@dataclass(frozen=True)
class Job:
    """Some consecutive shards of a split, to be made by one process."""

    problem: type[Problem]
    data_dir: Path
    tmp_dir: Path
    build: ResumableBuild
    split: str
    shards: range
    of: int  # the number of shards of the split
    examples: int  # the number of examples of the split in its source

    @property
    def places(self) -> range:
        """The places of the job's examples in the source."""
        first, last = (shard_range(shard, self.of, self.examples) for shard in (self.shards[0], self.shards[-1]))
        return range(first.start, last.stop)


def plan_jobs(
    problem: type[Problem],
    data_dir: Path,
    tmp_dir: Path,
    build: ResumableBuild,
    splits: Mapping[str, tuple[int, int]],
    processes: int,
) -> list[Job]:
    """Return jobs for the unfinished shards of each split, `processes` jobs a split if possible.

    `splits` has (examples, shards) by split.
    """
    jobs = []
    for split, (examples, of) in splits.items():
        left = [shard for shard in range(of) if build.finished(shard_name(split, shard, of)) is None]
        parts = [left[n * len(left) // processes : (n + 1) * len(left) // processes] for n in range(processes)]
        for part in parts:
            for consecutive in _runs(part):
                jobs.append(Job(problem, data_dir, tmp_dir, build, split, consecutive, of, examples))
    return jobs


def _runs(shards: Sequence[int]) -> list[range]:
    """Return shards in ascending order as ranges without gaps."""
    runs: list[range] = []
    for shard in shards:
        if runs and runs[-1].stop == shard:
            runs[-1] = range(runs[-1].start, shard + 1)
        else:
            runs.append(range(shard, shard + 1))
    return runs


def make_shards(
    jobs: Sequence[Job], processes: int, start: Callable[[], object] | None, name: str, report: Report
) -> None:
    """Make the shards of all jobs. `start` is called once in each process but this one, before anything else.

    Raises the error of a job, and BrokenProcessPool if a process was killed.
    """
    progress = _Progress(name, sum(len(job.places) for job in jobs), report)
    if processes == 1 or len(jobs) == 1:
        for job in jobs:
            run_job(job, progress.add)
        return
    spawn = multiprocessing.get_context("spawn")  # TensorFlow and its threads do not survive a fork
    counter, stop = spawn.Value("q", 0), spawn.Event()
    with ProcessPoolExecutor(processes, spawn, _start_worker, (counter, stop, start)) as pool:
        futures = [pool.submit(_run_in_worker, job) for job in jobs]
        try:
            waiting = set(futures)
            while waiting:
                done, waiting = wait(waiting, SECONDS_BETWEEN_REPORTS, FIRST_EXCEPTION)
                progress.update(counter.value)
                for future in done:
                    future.result()
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise


def run_job(job: Job, count: Count) -> None:
    """Make a job's shards one after another. Each gets its note when it is complete."""
    codecs = open_codecs(job.problem, job.data_dir)
    examples = examples_from(job.problem.source, job.split, job.tmp_dir, job.places.start)
    for shard in job.shards:
        file = shard_name(job.split, shard, job.of)
        writer = ShardWriter(job.build.records / file, tuple(codecs), codecs["targets"].port.size)
        wanted = len(shard_range(shard, job.of, job.examples))
        try:
            for chunk in _chunks(examples, wanted, codecs):
                for one in _store(codecs, chunk):
                    writer.drop(one) if isinstance(one, str) else writer.add(*one)
                count(len(chunk))
            if writer.examples + sum(writer.dropped.values()) != wanted:
                raise UserError(
                    f"The source of {job.split} counts {job.examples:,} examples but yields fewer. A corpus must "
                    f"not change while it is read."
                )
        except BaseException:
            writer.abandon()
            raise
        writer.close().write_note(job.build.note(file))


def _chunks(examples: Iterator[Example], wanted: int, codecs: Mapping[str, Codec]) -> Iterator[list[Example]]:
    """Yield the next `wanted` examples in lists of a few."""
    at_once = min(codec.stored_at_once for codec in codecs.values())
    while wanted and (chunk := list(islice(examples, min(at_once, wanted)))):
        wanted -= len(chunk)
        yield chunk


def _store(codecs: Mapping[str, Codec], examples: Sequence[Example]) -> list[StoredExample | str]:
    """Return for each example the arguments of ShardWriter.add, or the reason why it is left out."""
    made: list[StoredExample | str] = ["empty"] * len(examples)
    filled: list[int] = []  # the places of the examples that are not empty
    columns: dict[str, list[Any]] = {name: [] for name in codecs}  # their raw values
    for place, example in enumerate(examples):
        values = [example.values[name] for name in codecs]
        if not any(map(is_blank, values)):
            filled.append(place)
            for column, value in zip(columns.values(), values, strict=True):
                column.append(value)
    try:
        stored = [codec.store_all(columns[name]) for name, codec in codecs.items()]
    except UserError:
        _raise_for_first_invalid(codecs, [examples[place].id for place in filled], columns)
        raise
    for place, *of_one in zip(filled, *stored, strict=True):
        made[place] = _stored_example(examples[place].id, codecs, of_one)
    return made


def _stored_example(id: str, codecs: Mapping[str, Codec], stored: Sequence[bytes]) -> StoredExample | str:
    by_name = dict(zip(codecs, stored, strict=True))
    lengths = {name: codec.length(by_name[name]) for name, codec in codecs.items()}
    if max(lengths.values()) > LONGEST:
        name = next(name for name, length in lengths.items() if length > LONGEST)
        return f"longer than {codecs[name].measured(LONGEST)}"
    return id, by_name, lengths, codecs["targets"].symbols(by_name["targets"])


def _raise_for_first_invalid(
    codecs: Mapping[str, Codec], ids: Sequence[str], columns: Mapping[str, Sequence[Any]]
) -> None:
    """Raise UserError naming the first of several examples that is not valid."""
    for place, id in enumerate(ids):
        for name, codec in codecs.items():
            try:
                codec.store(columns[name][place])
            except UserError as error:
                raise UserError(f"Example {id} can't be stored: {error}") from None


@dataclass
class _Progress:
    """A reporter that prints a line every few seconds while many examples are written."""

    name: str
    of: int  # examples
    report: Report
    done: int = 0
    last: float = field(default_factory=time.monotonic)

    def add(self, examples: int) -> None:
        self.update(self.done + examples)

    def update(self, done: int) -> None:
        self.done = done
        now = time.monotonic()
        if now - self.last > SECONDS_BETWEEN_REPORTS:
            self.last = now
            self.report(f"{self.name}: {done:,} of {self.of:,} examples so far")


class _OtherProcessFailed(Exception):
    """Another process failed, so this one stops."""


_shared: dict[str, Any] = {}  # of a worker process: "counter" of examples, and "stop", an event


def _start_worker(counter: Any, stop: Any, start: Callable[[], object] | None) -> None:
    """Start a worker process. It ignores Ctrl-C, which its parent handles, and exits when its parent exits."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    _shared.update(counter=counter, stop=stop)
    if start is not None:
        start()


def _exit_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
    os._exit(1)


def _run_in_worker(job: Job) -> None:
    def count(examples: int) -> None:
        with _shared["counter"].get_lock():
            _shared["counter"].value += examples
        if _shared["stop"].is_set():
            raise _OtherProcessFailed

    try:
        run_job(job, count)
    except UserError as error:  # of any subclass, as one that can be pickled
        raise UserError(str(error)) from None
