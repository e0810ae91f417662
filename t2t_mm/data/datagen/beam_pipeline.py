"""Make shards on Apache Beam.

A Beam worker is sent only the name of one shard to make. It reads the corpus and writes the file itself. So all workers
must see the folders of corpora and records under the same paths, and the package and its plugins must be installed
there.
"""

import functools
import json
import os
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import uuid4

from t2t_mm.data.beam_runner import Beam, last_line
from t2t_mm.data.datagen.resumable_build import BuildInterrupted
from t2t_mm.data.datagen.workers import Job, run_job
from t2t_mm.errors import UserError

FAILED = ".failed"


def make_on_beam(jobs: Sequence[Job], beam: Beam, start: Callable[[], object] | None, name: str) -> None:
    """Make the shards of all jobs on Beam, each with its note when it is finished.

    `start` is called once in each worker.

    Raises the UserError or OSError of a job, and BuildInterrupted if the pipeline fails in another way.
    """
    import apache_beam

    for failed in _failures(jobs):
        failed.unlink()
    pipeline = apache_beam.Pipeline(beam.name, beam.pipeline_options())
    # Jobs are sent pickled, so that they are not unpickled before `start` has imported the plugins.
    packed = [pickle.dumps(job) for job in jobs]
    _ = pipeline | apache_beam.Create(packed) | apache_beam.Reshuffle() | apache_beam.Map(_make, pickle.dumps(start))
    try:
        state = str(pipeline.run().wait_until_finish())
    except Exception as error:  # any error of a runner or a cluster
        raise BuildInterrupted(_interrupted(name, beam, last_line(error))) from error
    for failed in _failures(jobs):
        failure = json.loads(failed.read_text(encoding="utf-8"))
        raise (OSError if failure["of_system"] else UserError)(failure["said"])
    if state != "DONE":
        raise BuildInterrupted(_interrupted(name, beam, f"its state is {state}"))


def _make(packed: bytes, start: bytes) -> None:
    """Make the shards of one job in a worker, or write the error to a file.

    After an error the other jobs return at once.
    """
    _start_worker(start)
    job = pickle.loads(packed)
    if _failures([job]):
        return
    try:
        run_job(job, lambda examples: None)
    except (UserError, OSError) as error:
        failed = job.build.folder / f"{job.split}-{job.shards.start}{FAILED}"
        beside = failed.with_name(f".{failed.name}.{uuid4().hex}")
        beside.write_text(json.dumps({"of_system": isinstance(error, OSError), "said": str(error)}), encoding="utf-8")
        os.replace(beside, failed)


@functools.cache
def _start_worker(start: bytes) -> None:
    begin = pickle.loads(start)
    if begin is not None:
        begin()


def _failures(jobs: Sequence[Job]) -> list[Path]:
    return sorted(path for folder in {job.build.folder for job in jobs} for path in folder.glob(f"*{FAILED}"))


def _interrupted(name: str, beam: Beam, why: str) -> str:
    return (
        f"Apache Beam's {beam.runner} did not finish {name}: {why:.1000} The same command continues from the finished "
        f"files."
    )
