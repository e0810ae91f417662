"""Workers of TensorFlow's MultiWorkerMirroredStrategy, with one replica per process.

Each process has its own copy of the weights. All copies start equal and get the same updates, because gradients are
sums over all workers.
"""

import logging
import re
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np
import tensorflow as tf

from t2t_mm.train.distributed.cluster import Cluster, WorkerLost
from t2t_mm.train.distributed.cluster_spec import ClusterSpec

GONE = (  # errors of a collective operation when a worker does not answer
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
)


class TensorFlowCluster(Cluster):
    """Collective operations of TensorFlow, over gRPC or NCCL."""

    def __init__(self, spec: ClusterSpec) -> None:
        """Wait until every worker has joined. Call it before TensorFlow is used for anything else."""
        super().__init__(spec.index, len(spec.addresses))
        self._spec = spec
        tf.get_logger().setLevel(logging.CRITICAL)  # `raising_worker_lost` reports a worker that has ended
        resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
            tf.train.ClusterSpec({"worker": list(spec.addresses)}),
            task_type="worker",
            task_id=spec.index,
            rpc_layer="grpc",
        )
        self._strategy = tf.distribute.MultiWorkerMirroredStrategy(resolver)

        @tf.function(input_signature=[tf.TensorSpec([None], "float64")], autograph=False)
        def total(numbers: Any) -> Any:
            return self.run_on_all_workers(lambda x: self.all_reduce([x])[0])(numbers)

        self._total = self.raising_worker_lost(total)

    def all_reduce(self, tensors: Sequence[Any]) -> list[Any]:
        here = [tf.identity(tensor) for tensor in tensors]  # on the replica's device
        return list(tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, here))

    def run_on_all_workers(self, step: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *arguments: self._strategy.run(step, args=arguments)

    def raising_worker_lost(self, program: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(program)
        def call(*arguments: Any) -> Any:
            try:
                return program(*arguments)
            except GONE as error:
                suspects = sorted({int(task) for task in re.findall(r"task:(\d+)", str(error))} - {self.index})
                raise WorkerLost(self._spec.worker_lost(suspects)) from error

        return call

    def all_reduce_numbers(self, numbers: Sequence[float]) -> list[float]:
        return self._total(np.asarray(numbers, np.float64)).numpy().tolist()
