"""Tools of the benchmarks: seconds of a call, calls in turns, and the rate of a plain matrix product."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops

from t2t_mm.decoding.compiled import for_each_shape

Call = Callable[[], Any]
SIDES = (512, 1024, 2048)  # of the matrices of the plain product


def seconds(call: Call) -> float:
    """Return the seconds that `call` takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def in_turns(calls: Mapping[Any, Call], turns: int) -> dict[Any, list[float]]:
    """Return the seconds of every call in every turn. Calls take turns, so that a busy moment affects all of them."""
    times: dict[Any, list[float]] = {name: [] for name in calls}
    for _ in range(turns):
        for name, call in calls.items():
            times[name].append(seconds(call))
    return times


def gemm_rate(sides: Sequence[int] = SIDES) -> float:
    """Return the GFLOP/s of the backend's plain float32 matrix product: the best of a few sizes and tries."""
    product = for_each_shape(lambda a, b: ops.matmul(a, b), [])
    rates = []
    for side in sides:
        a = ops.convert_to_tensor(np.random.default_rng(0).normal(size=(side, side)).astype("float32"))
        ops.convert_to_numpy(product(a, a))
        for _ in range(5):
            rates.append(2 * side**3 / seconds(lambda a=a: ops.convert_to_numpy(product(a, a))) / 1e9)
    return max(rates)


def peak_memory() -> int:
    """Return the peak memory of this process in bytes.

    Unlike the figure of getrusage, it does not include what the parent process held.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024
