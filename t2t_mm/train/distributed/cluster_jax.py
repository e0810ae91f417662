"""Workers by JAX's distributed runtime: a program on the devices of all of them, which XLA parts among them.

Weights are each process's own, on its own devices. What finds a batch's gradients alone runs on the devices of all, and
it moves nothing: when a worker is lost the weights of the others are whole, and what the chief does alone asks nobody.
What workers say to each other between steps goes through the runtime's store, whose server is the chief's.
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
from jax._src.distributed import global_state  # the store has no public name
from jax.errors import JaxRuntimeError
from jax.sharding import Mesh, NamedSharding, PartitionSpec, Sharding

from t2t_mm.data.input.row_shard import WHOLE_BATCH, RowShard
from t2t_mm.train.distributed.cluster import Cluster, WorkerLost
from t2t_mm.train.distributed.cluster_spec import ClusterSpec
from t2t_mm.train.distributed.devices import padded
from t2t_mm.train.distributed.tcp_proxy import TcpProxy

WITHOUT_END = 10**6  # seconds, where JAX asks for a limit: eleven days
HEARTBEAT = 45  # seconds after which the runtime gives up a process that says nothing
SILENCE = 35.0  # seconds, for a chief; less than that, after which the runtime would end this process
FAREWELL = 20.0  # seconds in which the others may leave before the chief does
SECONDS_BETWEEN_LOOKS = 1.0
SAID, LEAVES = "t2t_mm/said", "t2t_mm/leaves"  # places in the store
GONE = re.compile("gloo|nccl|peer|connection|unavailable|deadline|cancelled|aborted", re.IGNORECASE)


class JaxCluster(Cluster):
    """Collective operations of XLA, over Gloo or NCCL."""

    def __init__(self, members: ClusterSpec) -> None:
        """Waits until every worker is there. Call it before JAX is used for anything else."""
        super().__init__(members.index, len(members.addresses))
        self._members = members
        self._gone: set[int] = set()  # workers that are not there any more
        self._alone = threading.Event()  # set when none of the others is
        self._lost = False
        self._round = 0
        self._relay: TcpProxy | None = None
        server = members.addresses[0]
        if not self.chief:
            host, _, port = server.rpartition(":")
            self._relay = TcpProxy(host.strip("[]"), int(port))
            server = f"127.0.0.1:{self._relay.port}"
        jax.config.update("jax_enable_recoverability", True)  # else the runtime ends all when one is gone
        jax.config.update("jax_enable_preemption_service", False)  # it would take SIGTERM
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        jax.distributed.initialize(
            server,
            self.count,
            self.index,
            cluster_detection_method="deactivate",
            initialization_timeout=WITHOUT_END,
            heartbeat_timeout_seconds=HEARTBEAT,
            shutdown_timeout_seconds=int(FAREWELL),
        )
        if self._relay is not None:
            self._relay.silence = SILENCE
        self._store: Any = global_state.client
        here, everywhere = (Mesh(np.array(devices), ("rows",)) for devices in (jax.local_devices(), jax.devices()))
        self._copied_here = NamedSharding(here, PartitionSpec())
        self._copied = NamedSharding(everywhere, PartitionSpec())
        self._parted = NamedSharding(everywhere, PartitionSpec("rows"))
        threading.Thread(target=self._watch, daemon=True).start()
        atexit.register(self._leave)

    @property
    def part(self) -> RowShard:
        """All of it: a process hands its devices their rows of the batch."""
        return WHOLE_BATCH

    @property
    def devices(self) -> list[str]:
        return [f"{device.platform}:{device.id}" for device in jax.local_devices()]

    def totals(self, tensors: Sequence[Any]) -> list[Any]:
        return list(tensors)  # of all rows: XLA sums them

    def together(self, step: Callable[..., Any]) -> Callable[..., Any]:
        """`step(values, features, *rest)` on the devices of all workers. It gets weights of this process and whole
        batches, and gives what this process can go on with. Raises WorkerLost."""
        program = jax.jit(step, out_shardings=self._copied)
        compiled: dict[Any, Any] = {}

        def call(values: Any, features: Any, *rest: Any) -> Any:
            rows = padded(features, jax.device_count())
            shapes = tuple((feature, name, a.shape) for feature, of in rows.items() for name, a in of.items())
            given = jax.tree.map(self._everywhere, values), jax.tree.map(self._own_rows, rows), *rest
            if shapes not in compiled:
                compiled[shapes] = program.lower(*given).compile()
                self.meet()  # Gloo waits 30 s for others to come to their first program; this waits without end
            said = self._waited(lambda: jax.block_until_ready(compiled[shapes](*given)))
            return jax.tree.map(self._here, said)

        return call

    def told(self, program: Callable[..., Any]) -> Callable[..., Any]:
        return program  # `together` says so by itself

    def sums(self, numbers: Sequence[float]) -> list[float]:
        said = json.dumps([float(number) for number in numbers])
        each = [json.loads(one) for one in self._waited(partial(self._exchanged, said))]
        return [float(sum(column)) for column in zip(*each, strict=True)]

    def _exchanged(self, said: str) -> list[str]:
        """What each worker says in this round, by index: the chief gathers it and hands it out."""
        self._round += 1
        place, known = f"{SAID}/{self._round}", f"{SAID}/{self._round}/all"
        limit = WITHOUT_END * 1_000
        if not self.chief:
            self._store.key_value_set(f"{place}/{self.index}", said)
            return list(json.loads(self._store.blocking_key_value_get(known, limit)))
        others = range(1, self.count)
        each = [said, *(self._store.blocking_key_value_get(f"{place}/{worker}", limit) for worker in others)]
        self._store.key_value_set(known, json.dumps(each))
        self._store.key_value_delete(f"{SAID}/{self._round - 1}/")  # all have read it
        return each

    def _waited(self, work: Callable[[], Any]) -> Any:
        """What `work` gives, which waits for other workers. Raises WorkerLost when that is in vain."""
        done: SimpleQueue[tuple[Any, Exception | None]] = SimpleQueue()

        def run() -> None:
            try:
                done.put((work(), None))
            except Exception as error:
                done.put((None, error))

        threading.Thread(target=run, daemon=True).start()  # it may never end
        while True:
            with suppress(Empty):
                said, error = done.get(timeout=SECONDS_BETWEEN_LOOKS)
                break
            if self._gone or (self._relay and self._relay.gone.is_set()):
                self._give_up(None)
        if error is None:
            return said
        if isinstance(error, (JaxRuntimeError, ValueError)) and GONE.search(str(error)):
            self._give_up(error)
        raise error

    def _give_up(self, error: Exception | None) -> NoReturn:
        self._lost = True
        of_chief = {0} if self._relay and self._relay.gone.is_set() else set()
        said = f" JAX says: {' '.join(str(error).split()):.200}." if error else ""
        raise WorkerLost(self._members.lost(sorted(self._gone | of_chief)) + said) from error

    def _watch(self) -> None:
        """Note who is gone, until nobody is left."""
        everyone = list(range(self.count))
        with suppress(JaxRuntimeError):  # the runtime ends
            while len(self._gone) < self.count - 1:
                living = self._store.get_live_nodes(everyone)  # waits for all who live
                leaving = {0} if self._store.key_value_dir_get(LEAVES) and not self.chief else set()
                self._gone = set(everyone) - set(living) | leaving
                time.sleep(SECONDS_BETWEEN_LOOKS)
            self._alone.set()

    def _leave(self) -> None:
        """At the end of this process, before JAX ends its runtime: it aborts processes that find others gone."""
        if self._lost:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(1)
        if self.chief:
            self._store.key_value_set(f"{LEAVES}/{self.index}", "")
            self._alone.wait(FAREWELL)

    def _everywhere(self, value: Any) -> Any:
        """An array that every process has on its devices, as one of all devices; nothing is copied."""
        return _same(jax.device_put(value, self._copied_here), self._copied)

    def _here(self, value: Any) -> Any:
        """The other way round."""
        return _same(value, self._copied_here)

    def _own_rows(self, array: np.ndarray) -> Any:
        return jax.make_array_from_callback(array.shape, self._parted, lambda rows: array[rows])


def _same(value: Any, sharding: Sharding) -> Any:
    parts = [shard.data for shard in value.addressable_shards]
    return jax.make_array_from_single_device_arrays(value.shape, sharding, parts)
