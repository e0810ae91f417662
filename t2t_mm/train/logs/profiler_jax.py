"""Profiles by JAX's own profiler.

XLA fuses operations of several layers, so operations carry no layer name.
"""

from collections import defaultdict
from contextlib import AbstractContextManager
from pathlib import Path

import jax

from t2t_mm.train.logs.profiler import Operation, Profiler, kind_of

NANOSECOND = 1e-9


class JaxProfiler(Profiler):
    """Profiler of XLA's operations."""

    def start(self, folder: Path) -> None:
        jax.profiler.start_trace(str(folder))

    def stop(self) -> None:
        jax.profiler.stop_trace()

    def step(self, number: int) -> AbstractContextManager[object]:
        return jax.profiler.StepTraceAnnotation("train", step_num=number)

    def read(self, path: Path) -> list[Operation]:
        seconds: dict[str, float] = defaultdict(float)
        for plane in jax.profiler.ProfileData.from_file(str(path)).planes:
            if plane.name.startswith("/device:") and any(True for line in plane.lines for _ in line.events):
                return []
            for event in (event for line in plane.lines for event in line.events):
                operation = dict(event.stats).get("hlo_op")
                if operation is not None and event.name == operation:
                    seconds[kind_of(str(operation))] += event.duration_ns * NANOSECOND
        return [Operation("", kind, spent) for kind, spent in seconds.items()]
