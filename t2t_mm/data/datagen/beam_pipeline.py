"""Shards made on Apache Beam.

What is sent to a worker is the name of one shard to make; the worker reads the corpus and writes the file. So the
folders of corpora and of records are to be seen by every worker under the same paths, and the package and its plugins
are to be installed there.
"""

import functools
import json
import os
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import uuid4

from t2t_mm.data.beam_runner import Beam, said
from t2t_mm.data.datagen.resumable_build import Stopped
from t2t_mm.data.datagen.workers import Job, run
from t2t_mm.errors import UserError

FAILED = ".failed"


def make_on_beam(jobs: Sequence[Job], beam: Beam, start: Callable[[], object] | None, name: str) -> None:
    """Make the shards of all jobs; one that is finished is noted as always. `start` is called once in each worker.

    Raises what a job raises of the user's or the system's (UserError, OSError), and Stopped when the pipeline fails in
    another way.
    """
    import apache_beam

    for failed in _failures(jobs):
        failed.unlink()
    pipeline = apache_beam.Pipeline(beam.name, beam.pipeline_options())
    # Jobs travel packed: they are not to be opened before `start` has made plugins known.
    packed = [pickle.dumps(job) for job in jobs]
    _ = pipeline | apache_beam.Create(packed) | apache_beam.Reshuffle() | apache_beam.Map(_make, pickle.dumps(start))
    try:
        state = str(pipeline.run().wait_until_finish())
    except Exception as error:  # whatever a runner or a cluster trips over
        raise Stopped(_stopped(name, beam, said(error))) from error
    for failed in _failures(jobs):
        failure = json.loads(failed.read_text(encoding="utf-8"))
        raise (OSError if failure["of_system"] else UserError)(failure["said"])
    if state != "DONE":
        raise Stopped(_stopped(name, beam, f"its state is {state}"))


def _make(packed: bytes, start: bytes) -> None:
    """In a worker: make one job's shards, or note why not, for whoever waits; then others need not begin."""
    _begin(start)
    job = pickle.loads(packed)
    if _failures([job]):
        return
    try:
        run(job, lambda examples: None)
    except (UserError, OSError) as error:
        failed = job.here.folder / f"{job.split}-{job.shards.start}{FAILED}"
        beside = failed.with_name(f".{failed.name}.{uuid4().hex}")
        beside.write_text(json.dumps({"of_system": isinstance(error, OSError), "said": str(error)}), encoding="utf-8")
        os.replace(beside, failed)


@functools.cache
def _begin(start: bytes) -> None:
    begin = pickle.loads(start)
    if begin is not None:
        begin()


def _failures(jobs: Sequence[Job]) -> list[Path]:
    return sorted(path for folder in {job.here.folder for job in jobs} for path in folder.glob(f"*{FAILED}"))


def _stopped(name: str, beam: Beam, why: str) -> str:
    return (
        f"Apache Beam's {beam.runner} did not finish {name}: {why:.1000} The same command goes on from the files that "
        f"are finished."
    )
