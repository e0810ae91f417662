"""Join the cluster of a run."""

import signal
from collections.abc import Callable

import keras

from t2t_mm.errors import UserError
from t2t_mm.train.distributed.cluster import ALONE, Cluster
from t2t_mm.train.distributed.cluster_spec import VARIABLE, ClusterSpec


def join(spec: ClusterSpec | None, report: Callable[[str], None]) -> Cluster:
    """Wait until all workers of `spec` have joined; return their cluster of the backend in use.

    `spec` None is a cluster of one process. Raises UserError for a backend other than TensorFlow and JAX.
    """
    if spec is None:
        return ALONE
    cluster = _cluster(len(spec.addresses))
    report(f"Waiting for {spec.describe([i for i in range(len(spec.addresses)) if i != spec.index])}.")
    # Python cannot interrupt the wait, so Ctrl-C ends the process
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        return cluster(spec)
    finally:
        signal.signal(signal.SIGINT, before)


def _cluster(count: int) -> Callable[[ClusterSpec], Cluster]:
    """Return the cluster class of the backend; import only its library."""
    match keras.backend.backend():
        case "tensorflow":
            from t2t_mm.train.distributed.cluster_tensorflow import TensorFlowCluster

            return TensorFlowCluster
        case "jax":
            from t2t_mm.train.distributed.cluster_jax import JaxCluster

            return JaxCluster
        case other:
            raise UserError(
                "Training with several workers needs Keras' TensorFlow or JAX backend. Received: "
                f"KERAS_BACKEND={other} and {count} workers (--num_workers or {VARIABLE})."
            )
