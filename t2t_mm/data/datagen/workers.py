"""Shards made of a source's examples, by this process or by several at once.

What a shard holds depends on the source, the number of shards and the place of an example alone, so that it does not
matter who makes it, when, and after how many failures.
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

LONGEST = 2**14  # ids or frames; an example with a longer feature is left out of every split: no batch could hold it
SECONDS_BETWEEN_REPORTS = 10.0

Count = Callable[[int], None]
Report = Callable[[str], None]
Row = tuple[str, Mapping[str, bytes], Mapping[str, int], np.ndarray]  # what ShardWriter.add takes


@dataclass(frozen=True)
class Job:
    """Some consecutive shards of a split."""

    problem: type[Problem]
    data_dir: Path
    tmp_dir: Path
    here: ResumableBuild
    split: str
    shards: range
    of: int  # shards that the split has
    examples: int  # that the split has in its source

    @property
    def places(self) -> range:
        """Of the job's examples in the source."""
        first, last = (shard_range(shard, self.of, self.examples) for shard in (self.shards[0], self.shards[-1]))
        return range(first.start, last.stop)


def jobs_of(
    problem: type[Problem],
    data_dir: Path,
    tmp_dir: Path,
    here: ResumableBuild,
    splits: Mapping[str, tuple[int, int]],
    processes: int,
) -> list[Job]:
    """What is left to make of each split's (examples, shards), in `processes` jobs a split where that can be."""
    jobs = []
    for split, (examples, of) in splits.items():
        left = [shard for shard in range(of) if here.written(shard_name(split, shard, of)) is None]
        parts = [left[n * len(left) // processes : (n + 1) * len(left) // processes] for n in range(processes)]
        for part in parts:
            for run in _runs(part):
                jobs.append(Job(problem, data_dir, tmp_dir, here, split, run, of, examples))
    return jobs


def _runs(shards: Sequence[int]) -> list[range]:
    """Shards in ascending order as ranges without gaps."""
    runs: list[range] = []
    for shard in shards:
        if runs and runs[-1].stop == shard:
            runs[-1] = range(runs[-1].start, shard + 1)
        else:
            runs.append(range(shard, shard + 1))
    return runs


def make(jobs: Sequence[Job], processes: int, start: Callable[[], object] | None, name: str, report: Report) -> None:
    """Make the shards of all jobs. `start` is called once in each process but this one, before it does anything else.

    Raises what a job raises, and BrokenProcessPool when a process was killed.
    """
    progress = _Progress(name, sum(len(job.places) for job in jobs), report)
    if processes == 1 or len(jobs) == 1:
        for job in jobs:
            run(job, progress.add)
        return
    spawn = multiprocessing.get_context("spawn")  # TensorFlow and its threads do not survive a fork
    counter, stop = spawn.Value("q", 0), spawn.Event()
    with ProcessPoolExecutor(processes, spawn, _begin, (counter, stop, start)) as pool:
        futures = [pool.submit(_run_there, job) for job in jobs]
        try:
            waiting = set(futures)
            while waiting:
                done, waiting = wait(waiting, SECONDS_BETWEEN_REPORTS, FIRST_EXCEPTION)
                progress.say(counter.value)
                for future in done:
                    future.result()
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise


def run(job: Job, count: Count) -> None:
    """Make a job's shards one after another, each noted when it is whole."""
    codecs = open_codecs(job.problem, job.data_dir)
    examples = examples_from(job.problem.source, job.split, job.tmp_dir, job.places.start)
    for shard in job.shards:
        file = shard_name(job.split, shard, job.of)
        writer = ShardWriter(job.here.records / file, tuple(codecs), codecs["targets"].port.size)
        wanted = len(shard_range(shard, job.of, job.examples))
        try:
            for some in _some(examples, wanted, codecs):
                for one in _made(codecs, some):
                    writer.drop(one) if isinstance(one, str) else writer.add(*one)
                count(len(some))
            if writer.examples + sum(writer.dropped.values()) != wanted:
                raise UserError(
                    f"The source of {job.split} counts {job.examples:,} examples and gives fewer. A corpus must "
                    f"stay as it is while it is read."
                )
        except BaseException:
            writer.abandon()
            raise
        writer.close().note(job.here.note(file))


def _some(examples: Iterator[Example], wanted: int, codecs: Mapping[str, Codec]) -> Iterator[list[Example]]:
    """The next `wanted` examples, a few at a time."""
    at_once = min(codec.stored_at_once for codec in codecs.values())
    while wanted and (some := list(islice(examples, min(at_once, wanted)))):
        wanted -= len(some)
        yield some


def _made(codecs: Mapping[str, Codec], examples: Sequence[Example]) -> list[Row | str]:
    """What becomes of each example: what a ShardWriter adds, or why it is left out."""
    made: list[Row | str] = ["empty"] * len(examples)
    full: list[int] = []  # the places of those that are not empty
    columns: dict[str, list[Any]] = {name: [] for name in codecs}  # of their raw values
    for place, example in enumerate(examples):
        values = [example.values[name] for name in codecs]
        if not any(map(is_blank, values)):
            full.append(place)
            for column, value in zip(columns.values(), values, strict=True):
                column.append(value)
    try:
        stored = [codec.store_all(columns[name]) for name, codec in codecs.items()]
    except UserError:
        _blame(codecs, [examples[place].id for place in full], columns)
        raise
    for place, *of_one in zip(full, *stored, strict=True):
        made[place] = _row(examples[place].id, codecs, of_one)
    return made


def _row(id: str, codecs: Mapping[str, Codec], stored: Sequence[bytes]) -> Row | str:
    by_name = dict(zip(codecs, stored, strict=True))
    lengths = {name: codec.length(by_name[name]) for name, codec in codecs.items()}
    if max(lengths.values()) > LONGEST:
        name = next(name for name, length in lengths.items() if length > LONGEST)
        return f"longer than {codecs[name].measured(LONGEST)}"
    return id, by_name, lengths, codecs["targets"].symbols(by_name["targets"])


def _blame(codecs: Mapping[str, Codec], ids: Sequence[str], columns: Mapping[str, Sequence[Any]]) -> None:
    """Raise UserError naming the first of several examples that can't be carried."""
    for place, id in enumerate(ids):
        for name, codec in codecs.items():
            try:
                codec.store(columns[name][place])
            except UserError as error:
                raise UserError(f"Example {id} can't be carried: {error}") from None


@dataclass
class _Progress:
    """A line now and then while much is written."""

    name: str
    of: int  # examples
    report: Report
    done: int = 0
    last: float = field(default_factory=time.monotonic)

    def add(self, examples: int) -> None:
        self.say(self.done + examples)

    def say(self, done: int) -> None:
        self.done = done
        now = time.monotonic()
        if now - self.last > SECONDS_BETWEEN_REPORTS:
            self.last = now
            self.report(f"{self.name}: {done:,} of {self.of:,} examples so far")


class _Stopped(Exception):
    """Another process failed."""


_shared: dict[str, Any] = {}  # of a process that works for another: how to count, and whether to stop


def _begin(counter: Any, stop: Any, start: Callable[[], object] | None) -> None:
    """What a process does first: it leaves Ctrl-C to the one that started it, and goes when that one goes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, daemon=True).start()
    _shared.update(counter=counter, stop=stop)
    if start is not None:
        start()


def _follow() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
    os._exit(1)


def _run_there(job: Job) -> None:
    def count(examples: int) -> None:
        with _shared["counter"].get_lock():
            _shared["counter"].value += examples
        if _shared["stop"].is_set():
            raise _Stopped

    try:
        run(job, count)
    except UserError as error:  # of whatever class, as one that can be sent
        raise UserError(str(error)) from None
