"""On JAX one process trains on all its devices, each with its rows of every batch.

Weights stand on every device. XLA compiles a step of the whole batch and puts in what devices must ask of each other,
so that a step computes what it does on one device: sums in another order are all that differs.
"""

from typing import Any

import keras
import numpy as np

from t2t_mm.feature import Arrays
from t2t_mm.train.distributed.cluster import Cluster

CHOSEN = ("class", "places")  # arrays that say by -1 that a row is empty, unless lengths say it


def use_all_devices(cluster: Cluster) -> None:
    """Let weights that are made from now on stand on every device of this process, if this is JAX and it has several.

    Those of other workers have copies of their own.
    """
    if keras.backend.backend() == "jax" and len(devices := cluster.devices) > 1:
        keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices, auto_shard_dataset=False))


def shared(arrays: dict[str, Arrays]) -> dict[str, Any]:
    """The arrays of a batch as a step takes them: where there are several devices, a part on each.

    Empty rows are put behind, so that the parts are alike: length 0, and where there is none, class or places -1.
    """
    distribution = keras.distribution.distribution()
    if not isinstance(distribution, keras.distribution.DataParallel):
        return arrays

    def placed(array: np.ndarray) -> Any:
        return keras.distribution.distribute_tensor(array, distribution.get_data_layout(array.shape))

    rows = padded(arrays, distribution.num_model_replicas)
    return {feature: {name: placed(array) for name, array in of.items()} for feature, of in rows.items()}


def padded(arrays: dict[str, Arrays], devices: int) -> dict[str, Arrays]:
    """The arrays of a batch, with as many empty rows behind it as make its rows a multiple of `devices`."""

    def longer(array: np.ndarray, empty: int) -> np.ndarray:
        added = -len(array) % devices
        return np.concatenate([array, np.full((added, *array.shape[1:]), empty, array.dtype)])

    return {
        feature: {
            name: longer(array, -1 if name in CHOSEN and "lengths" not in of else 0) for name, array in of.items()
        }
        for feature, of in arrays.items()
    }
