"""Check that the workers of a cluster begin from the same state: the same run, step, weights and data."""

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from t2t_mm.train.distributed.cluster import Cluster


def check_workers_agree(
    cluster: Cluster, *, data: Any, settings: Any, step: int, tensors: Mapping[str, np.ndarray]
) -> None:
    """Raise UserError on every worker if one differs from the chief.

    Args:
        cluster: all workers; each calls this function with its own state.
        data: the problems and their splits; compared by `repr`.
        settings: hparams, seed and number of steps; compared by `repr`.
        step: the last step taken.
        tensors: weights and optimizer slots by path; compared by checksum.
    """
    if cluster.count == 1:
        return
    weights = 0
    for path, value in sorted(tensors.items()):
        weights = zlib.crc32(value.tobytes(), zlib.crc32(path.encode(), weights))
    for what, number in (
        ("list of problems or the data", zlib.crc32(repr(data).encode())),
        ("hparam set, seed or number of steps", zlib.crc32(repr(settings).encode())),
        ("step", step),
        ("weights", weights),
    ):
        cluster.check_same(what, float(number))
