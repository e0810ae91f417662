"""Several workers of one run on this host (data parallel): one process each, which find each other by TF_CONFIG."""

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import FrameType

from t2t_mm.train.distributed.cluster_spec import VARIABLE

SIGNALS = (signal.SIGTERM, signal.SIGINT)
PR_SET_PDEATHSIG = 1  # of prctl(2)
PATIENCE = 60.0  # seconds in which workers notice by themselves that one has ended with a fault
SECONDS_BETWEEN_LOOKS = 0.2


def run_workers(module: str, argv: Sequence[str], count: int) -> int:
    """Run `python -m module argv` as `count` workers until all have ended; the exit code is that of the first fault.

    Signals are passed on; if this process is killed, Linux sends its workers SIGTERM. When a worker ends with a fault,
    those that do not end within a minute are ended.
    """
    cluster = {"worker": [f"localhost:{port}" for port in _free_ports(count)]}
    workers: list[subprocess.Popen[bytes]] = []
    with _passed_on(workers):
        for index in range(count):
            config = {"cluster": cluster, "task": {"type": "worker", "index": index}}
            environment = {**os.environ, VARIABLE: json.dumps(config), **_own_device(index, count)}
            # A session of its own: a Ctrl-C comes from here, and once.
            command = [sys.executable, "-m", module, *argv]
            workers.append(
                subprocess.Popen(command, env=environment, start_new_session=True, preexec_fn=_end_with(os.getpid()))
            )
        return _wait(workers)


def _wait(workers: Sequence["subprocess.Popen[bytes]"]) -> int:
    first, since = 0, 0.0
    while None in (codes := [worker.poll() for worker in workers]):
        if not first and any(codes):
            first, since = next(code for code in codes if code), time.monotonic()
        if first and time.monotonic() - since > PATIENCE:
            for worker in workers:
                worker.kill()
        time.sleep(SECONDS_BETWEEN_LOOKS)
    code = next((code for code in [first, *codes] if code), 0)
    return 128 - code if code < 0 else code  # as shells say what a signal ended


@contextmanager
def _passed_on(workers: Sequence["subprocess.Popen[bytes]"]) -> Iterator[None]:
    """Pass SIGTERM and SIGINT on to the workers, which save and end."""

    def pass_on(number: int, frame: FrameType | None) -> None:
        for worker in workers:
            if worker.poll() is None:
                worker.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_with(parent: int) -> Callable[[], None] | None:
    """Return a function that makes a child of `parent` get SIGTERM when `parent` ends; None if the system can't."""
    if sys.platform != "linux":
        return None
    system = ctypes.CDLL(None)  # loaded here: little is safe between fork and exec

    def end_with_parent() -> None:
        system.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)

    return end_with_parent


def _own_device(index: int, count: int) -> dict[str, str]:
    """Return the environment that gives a worker its accelerator: of CUDA_VISIBLE_DEVICES, or the one of its index."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    visible = [str(number) for number in range(count)] if named is None else named.split(",")
    return {"CUDA_VISIBLE_DEVICES": visible[index] if index < len(visible) else ""}


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("localhost", 0))
        return [one.getsockname()[1] for one in sockets]
