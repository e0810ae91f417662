"""The number of cores that a process may use, and the number that one operation uses."""

import os
import sys
from collections.abc import Callable

THREADS = "TF_NUM_INTRAOP_THREADS"  # environment variable of TensorFlow: threads of one operation


def processors() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def threads() -> str:
    """Return how many cores one operation uses. The last digits of its result depend on this number."""
    import keras

    number = os.environ.get(THREADS)
    if number is None and keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        number = str(tf.config.threading.get_intra_op_parallelism_threads() or processors())
    return number or str(processors())


def share_cores(batches_at_once: int, report: Callable[[str], None]) -> None:
    """Give each TensorFlow operation its share of the cores, if micro-batches are computed in parallel.

    Call it before TensorFlow computes anything: afterwards nothing can be changed, and `report` gets a sentence that
    says so. A number of threads in the environment is left as it is.
    """
    import keras

    if batches_at_once == 1:
        return
    if keras.backend.backend() != "tensorflow":
        backend = keras.backend.backend()
        report(
            f"batches_at_once={batches_at_once} needs TensorFlow; {backend} computes the batches one after the other."
        )
        return
    if THREADS in os.environ:
        return
    import tensorflow as tf

    share = max(1, processors() // batches_at_once)
    try:
        tf.config.threading.set_intra_op_parallelism_threads(share)
    except RuntimeError:
        report(
            f"batches_at_once={batches_at_once} saves less time than it could: TensorFlow was already in use, so an "
            f"operation takes {threads()} cores. Set {THREADS}={share} to change that."
        )
