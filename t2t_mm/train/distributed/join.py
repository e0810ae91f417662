"""Join the cluster of a run: the backend's own, once every worker is there."""

import signal
from collections.abc import Callable

import keras

from t2t_mm.errors import UserError
from t2t_mm.train.distributed.cluster import ALONE, Cluster
from t2t_mm.train.distributed.cluster_spec import VARIABLE, ClusterSpec


def join(members: ClusterSpec | None, report: Callable[[str], None]) -> Cluster:
    """The cluster of `members`, once all are there; one process where it is None. UserError for another backend."""
    if members is None:
        return ALONE
    cluster = _cluster(len(members.addresses))
    report(f"Waiting for {members.named([i for i in range(len(members.addresses)) if i != members.index])}.")
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)  # a wait that Python cannot interrupt
    try:
        return cluster(members)
    finally:
        signal.signal(signal.SIGINT, before)


def _cluster(count: int) -> Callable[[ClusterSpec], Cluster]:
    """Imports the one library that the backend needs."""
    match keras.backend.backend():
        case "tensorflow":
            from t2t_mm.train.distributed.cluster_tensorflow import TensorFlowCluster

            return TensorFlowCluster
        case "jax":
            from t2t_mm.train.distributed.cluster_jax import JaxCluster

            return JaxCluster
        case other:
            raise UserError(
                "Several processes train together on Keras' TensorFlow or JAX backend. Received: "
                f"KERAS_BACKEND={other} and {count} workers (--num_workers or {VARIABLE})."
            )
