"""How many cores a process may use, and how many of them one operation takes."""

import os
import sys
from collections.abc import Callable

THREADS = "TF_NUM_INTRAOP_THREADS"  # of an operation, as TensorFlow reads them from the environment


def processors() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def threads() -> str:
    """How many cores an operation takes, on which the last digits of what it computes depend."""
    import keras

    given = os.environ.get(THREADS)
    if given is None and keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        given = str(tf.config.threading.get_intra_op_parallelism_threads() or processors())
    return given or str(processors())


def share_cores(batches_at_once: int, report: Callable[[str], None]) -> None:
    """Give each operation of TensorFlow's its part of the cores, where batches are computed side by side.

    Call it before TensorFlow computes anything: later nothing can be changed, and `report` is told. What the
    environment says of threads stands.
    """
    import keras

    if batches_at_once == 1:
        return
    if keras.backend.backend() != "tensorflow":
        backend = keras.backend.backend()
        report(f"batches_at_once={batches_at_once} is for TensorFlow; on {backend} batches come one after the other.")
        return
    if THREADS in os.environ:
        return
    import tensorflow as tf

    share = max(1, processors() // batches_at_once)
    try:
        tf.config.threading.set_intra_op_parallelism_threads(share)
    except RuntimeError:
        report(
            f"batches_at_once={batches_at_once} gains less than it could: TensorFlow was in use before, and an "
            f"operation takes {threads()} cores. Set {THREADS}={share} to change that."
        )
