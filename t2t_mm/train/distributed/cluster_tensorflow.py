"""Workers by TensorFlow's MultiWorkerMirroredStrategy, of which each process holds one replica.

Weights are each process's own: all start alike and are moved alike, by gradients that are sums over all.
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

GONE = (  # what a collective operation says when a worker does not answer
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
)


class TensorFlowCluster(Cluster):
    """Collective operations of TensorFlow, over gRPC or NCCL."""

    def __init__(self, members: ClusterSpec) -> None:
        """Waits until every worker is there. Call it before TensorFlow is used for anything else."""
        super().__init__(members.index, len(members.addresses))
        self._members = members
        tf.get_logger().setLevel(logging.CRITICAL)  # when a worker is gone, `told` says so
        resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
            tf.train.ClusterSpec({"worker": list(members.addresses)}),
            task_type="worker",
            task_id=members.index,
            rpc_layer="grpc",
        )
        self._strategy = tf.distribute.MultiWorkerMirroredStrategy(resolver)

        @tf.function(input_signature=[tf.TensorSpec([None], "float64")], autograph=False)
        def total(numbers: Any) -> Any:
            return self.together(lambda x: self.totals([x])[0])(numbers)

        self._total = self.told(total)

    def totals(self, tensors: Sequence[Any]) -> list[Any]:
        here = [tf.identity(tensor) for tensor in tensors]  # which the replica's device holds
        return list(tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, here))

    def together(self, step: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *given: self._strategy.run(step, args=given)

    def told(self, program: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(program)
        def call(*given: Any) -> Any:
            try:
                return program(*given)
            except GONE as error:
                named = sorted({int(task) for task in re.findall(r"task:(\d+)", str(error))} - {self.index})
                raise WorkerLost(self._members.lost(named)) from error

        return call

    def sums(self, numbers: Sequence[float]) -> list[float]:
        return self._total(np.asarray(numbers, np.float64)).numpy().tolist()
