"""Workers of JAX's distributed runtime: a program on the devices of all workers, which XLA partitions.

Each process has its own copy of the weights on its own devices. Only the program that computes a batch's gradients runs
on the devices of all workers, and it changes no weight. So when a worker is lost, the weights of the others are
consistent, and the chief can evaluate and save without the others. Between steps the workers exchange numbers through
the runtime's key-value store, whose server runs in the chief.
"""

import atexit
import json
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, NoReturn

import jax
import numpy as np
from jax._src.distributed import global_state  # there is no public name of the key-value store
from jax.errors import JaxRuntimeError
from jax.sharding import Mesh, NamedSharding, PartitionSpec, Sharding

from t2t_mm.data.input.row_shard import WHOLE_BATCH, RowShard
from t2t_mm.train.distributed.cluster import Cluster, WorkerLost
from t2t_mm.train.distributed.cluster_spec import ClusterSpec
from t2t_mm.train.distributed.devices import pad_rows
from t2t_mm.train.distributed.tcp_proxy import TcpProxy

WITHOUT_LIMIT = 10**6  # seconds, for arguments of JAX that require a limit: eleven days
HEARTBEAT = 45  # seconds without a heartbeat after which the runtime gives up a process
SILENCE = 35.0  # seconds without data from the chief; less than the time after which the runtime would end this process
FAREWELL = 20.0  # seconds that the chief waits for the others to leave before it leaves
SECONDS_BETWEEN_LOOKS = 1.0
SENT, LEAVES = "t2t_mm/said", "t2t_mm/leaves"  # keys in the key-value store
GONE = re.compile("gloo|nccl|peer|connection|unavailable|deadline|cancelled|aborted", re.IGNORECASE)


class JaxCluster(Cluster):
    """Collective operations of XLA, over Gloo or NCCL."""

    def __init__(self, spec: ClusterSpec) -> None:
        """Wait until every worker has joined. Call it before JAX is used for anything else."""
        super().__init__(spec.index, len(spec.addresses))
        self._spec = spec
        self._gone: set[int] = set()  # workers that have ended
        self._alone = threading.Event()  # set when all other workers have ended
        self._lost = False
        self._round = 0
        self._proxy: TcpProxy | None = None
        server = spec.addresses[0]
        if not self.chief:
            host, _, port = server.rpartition(":")
            self._proxy = TcpProxy(host.strip("[]"), int(port))
            server = f"127.0.0.1:{self._proxy.port}"
        jax.config.update("jax_enable_recoverability", True)  # otherwise the runtime ends all processes when one ends
        jax.config.update("jax_enable_preemption_service", False)  # it would catch SIGTERM
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        jax.distributed.initialize(
            server,
            self.count,
            self.index,
            cluster_detection_method="deactivate",
            initialization_timeout=WITHOUT_LIMIT,
            heartbeat_timeout_seconds=HEARTBEAT,
            shutdown_timeout_seconds=int(FAREWELL),
        )
        if self._proxy is not None:
            self._proxy.silence = SILENCE
        self._store: Any = global_state.client
        here, everywhere = (Mesh(np.array(devices), ("rows",)) for devices in (jax.local_devices(), jax.devices()))
        self._replicated_here = NamedSharding(here, PartitionSpec())
        self._replicated = NamedSharding(everywhere, PartitionSpec())
        self._sharded = NamedSharding(everywhere, PartitionSpec("rows"))
        threading.Thread(target=self._watch, daemon=True).start()
        atexit.register(self._leave)

    @property
    def part(self) -> RowShard:
        """All rows: the process places the rows of the batch on its devices itself."""
        return WHOLE_BATCH

    @property
    def devices(self) -> list[str]:
        return [f"{device.platform}:{device.id}" for device in jax.local_devices()]

    def all_reduce(self, tensors: Sequence[Any]) -> list[Any]:
        return list(tensors)  # already sums over all rows: XLA adds the all-reduce

    def run_on_all_workers(self, step: Callable[..., Any]) -> Callable[..., Any]:
        """Return `step(values, features, *rest)` as a function that runs on the devices of all workers.

        The function takes the weights of this process and whole batches, and returns arrays of this process. It raises
        WorkerLost if a worker has ended.
        """
        program = jax.jit(step, out_shardings=self._replicated)
        compiled: dict[Any, Any] = {}

        def call(values: Any, features: Any, *rest: Any) -> Any:
            rows = pad_rows(features, jax.device_count())
            shapes = tuple((feature, name, a.shape) for feature, of in rows.items() for name, a in of.items())
            arguments = jax.tree.map(self._everywhere, values), jax.tree.map(self._own_rows, rows), *rest
            if shapes not in compiled:
                compiled[shapes] = program.lower(*arguments).compile()
                self.barrier()  # Gloo waits only 30 s for others to start their first program; this waits without limit
            results = self._wait_for(lambda: jax.block_until_ready(compiled[shapes](*arguments)))
            return jax.tree.map(self._here, results)

        return call

    def raising_worker_lost(self, program: Callable[..., Any]) -> Callable[..., Any]:
        return program  # functions of `run_on_all_workers` raise WorkerLost themselves

    def all_reduce_numbers(self, numbers: Sequence[float]) -> list[float]:
        message = json.dumps([float(number) for number in numbers])
        each = [json.loads(one) for one in self._wait_for(partial(self._exchange, message))]
        return [float(sum(column)) for column in zip(*each, strict=True)]

    def _exchange(self, message: str) -> list[str]:
        """Send `message`; return the messages of all workers in this round, by index.

        The chief gathers the messages and sends them to all.
        """
        self._round += 1
        key, key_of_all = f"{SENT}/{self._round}", f"{SENT}/{self._round}/all"
        limit = WITHOUT_LIMIT * 1_000
        if not self.chief:
            self._store.key_value_set(f"{key}/{self.index}", message)
            return list(json.loads(self._store.blocking_key_value_get(key_of_all, limit)))
        others = range(1, self.count)
        each = [message, *(self._store.blocking_key_value_get(f"{key}/{worker}", limit) for worker in others)]
        self._store.key_value_set(key_of_all, json.dumps(each))
        self._store.key_value_delete(f"{SENT}/{self._round - 1}/")  # all have read it
        return each

    def _wait_for(self, work: Callable[[], Any]) -> Any:
        """Return the result of `work`, which waits for other workers. Raises WorkerLost if one of them has ended."""
        done: SimpleQueue[tuple[Any, Exception | None]] = SimpleQueue()

        def run() -> None:
            try:
                done.put((work(), None))
            except Exception as error:
                done.put((None, error))

        threading.Thread(target=run, daemon=True).start()  # it may wait forever
        while True:
            with suppress(Empty):
                result, error = done.get(timeout=SECONDS_BETWEEN_LOOKS)
                break
            if self._gone or (self._proxy and self._proxy.gone.is_set()):
                self._give_up(None)
        if error is None:
            return result
        if isinstance(error, (JaxRuntimeError, ValueError)) and GONE.search(str(error)):
            self._give_up(error)
        raise error

    def _give_up(self, error: Exception | None) -> NoReturn:
        self._lost = True
        chief = {0} if self._proxy and self._proxy.gone.is_set() else set()
        detail = f" JAX reports: {' '.join(str(error).split()):.200}." if error else ""
        raise WorkerLost(self._spec.worker_lost(sorted(self._gone | chief)) + detail) from error

    def _watch(self) -> None:
        """Record which workers have ended, until no other worker is left."""
        everyone = list(range(self.count))
        with suppress(JaxRuntimeError):  # raised when the runtime ends
            while len(self._gone) < self.count - 1:
                living = self._store.get_live_nodes(everyone)  # waits for an answer of all live processes
                leaving = {0} if self._store.key_value_dir_get(LEAVES) and not self.chief else set()
                self._gone = set(everyone) - set(living) | leaving
                time.sleep(SECONDS_BETWEEN_LOOKS)
            self._alone.set()

    def _leave(self) -> None:
        """Leave the cluster at the end of this process, before JAX's runtime ends.

        The runtime would abort processes that notice the end of others.
        """
        if self._lost:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(1)
        if self.chief:
            self._store.key_value_set(f"{LEAVES}/{self.index}", "")
            self._alone.wait(FAREWELL)

    def _everywhere(self, value: Any) -> Any:
        """Return an array that every process has on its devices as one array on all devices; nothing is copied."""
        return _with_sharding(jax.device_put(value, self._replicated_here), self._replicated)

    def _here(self, value: Any) -> Any:
        """Return an array on all devices as an array on the devices of this process; nothing is copied."""
        return _with_sharding(value, self._replicated_here)

    def _own_rows(self, array: np.ndarray) -> Any:
        return jax.make_array_from_callback(array.shape, self._sharded, lambda rows: array[rows])


def _with_sharding(value: Any, sharding: Sharding) -> Any:
    parts = [shard.data for shard in value.addressable_shards]
    return jax.make_array_from_single_device_arrays(value.shape, sharding, parts)
