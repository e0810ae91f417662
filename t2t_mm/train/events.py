"""Scalars for TensorBoard, written with the tensorboard package's own records, without TensorFlow.

Its EventFileWriter would import TensorFlow for the file system, and it writes from a thread, where a full disk goes
unnoticed; this one writes at once and lets OSError through.
"""

import os
import time
from collections.abc import Mapping
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter


class EventFile:
    """One events file in `folder`, of a run that goes on from step `start`."""

    def __init__(self, folder: Path, start: int) -> None:
        now = time.time()
        self._file = open(folder / f"events.out.tfevents.{int(now):010d}.{os.getpid()}", "ab")  # noqa: SIM115
        self._records = RecordWriter(self._file)
        self._write(Event(wall_time=now, file_version="brain.Event:2"))
        # TensorBoard then forgets what a run that was cut off logged behind the checkpoint that this one goes on from.
        self._write(Event(wall_time=now, step=start + 1, session_log=SessionLog(status=SessionLog.START)))

    def add(self, step: int, scalars: Mapping[str, float]) -> None:
        """Log `scalars` (by tag) at `step`."""
        values = [Summary.Value(tag=tag, simple_value=value) for tag, value in scalars.items()]
        self._write(Event(wall_time=time.time(), step=step, summary=Summary(value=values)))
        self._file.flush()

    def close(self) -> None:
        self._file.close()

    def _write(self, event: Event) -> None:
        self._records.write(event.SerializeToString())
