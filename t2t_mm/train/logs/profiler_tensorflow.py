"""Profiles by TensorFlow's own profiler, whose operations carry the names of their layers."""

import re
from collections import defaultdict
from contextlib import AbstractContextManager
from pathlib import Path

import tensorflow as tf
from tensorflow.tsl.profiler.protobuf import xplane_pb2

from t2t_mm.train.logs.profiler import Operation, Profiler

OPERATION = re.compile(r"[\w./>-]+:\w+")  # the operation's name with its scopes, and its kind
PICOSECOND = 1e-12


class TensorFlowProfiler(Profiler):
    """Profiler of the operations in TensorFlow's graphs."""

    def start(self, folder: Path) -> None:
        tf.profiler.experimental.start(str(folder))

    def stop(self) -> None:
        tf.profiler.experimental.stop()

    def step(self, number: int) -> AbstractContextManager[object]:
        return tf.profiler.experimental.Trace("train", step_num=number, _r=1)

    def read(self, path: Path) -> list[Operation]:
        space = xplane_pb2.XSpace()
        space.ParseFromString(path.read_bytes())
        seconds: dict[tuple[str, str], float] = defaultdict(float)
        for plane in space.planes:
            if plane.name.startswith("/device:") and any(line.events for line in plane.lines):
                return []
            names = {number: metadata.name for number, metadata in plane.event_metadata.items()}
            for event in (event for line in plane.lines for event in line.events):
                place, _, kind = names[event.metadata_id].rpartition(":")
                if OPERATION.fullmatch(names[event.metadata_id]):
                    seconds[place.rpartition("/")[0], kind] += event.duration_ps * PICOSECOND
        return [Operation(scope, kind.removeprefix("_Mkl"), spent) for (scope, kind), spent in seconds.items()]
