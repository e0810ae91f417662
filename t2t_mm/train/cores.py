"""How many cores an operation takes when batches of a step are computed side by side."""

import os
from collections.abc import Callable

import keras

THREADS = "TF_NUM_INTRAOP_THREADS"  # of an operation, as TensorFlow reads them from the environment


def share_cores(batches_at_once: int, report: Callable[[str], None]) -> None:
    """Give an operation of TensorFlow's its part of the cores, unless the environment says how many it takes.

    Call it before TensorFlow computes anything. Later nothing can be changed any more, and `report` is told.
    """
    if batches_at_once == 1 or THREADS in os.environ or keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    threads = max(1, len(os.sched_getaffinity(0)) // batches_at_once)
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
    except RuntimeError:
        if tf.config.threading.get_intra_op_parallelism_threads() != threads:
            report(
                f"batches_at_once={batches_at_once} gains less than it could, since TensorFlow was in use before and "
                f"takes all cores for each operation. Set {THREADS}={threads} to change that."
            )
