"""Data-parallel training on all devices of one JAX process, each with its rows of every batch.

Every device has a copy of the weights. XLA compiles the step of the whole batch and adds the communication between
devices. So a step computes the same as on one device, except for the order of sums.
"""

from typing import Any

import keras
import numpy as np

from t2t_mm.feature import Arrays
from t2t_mm.train.distributed.cluster import Cluster

EMPTY_IS_MINUS_ONE = ("class", "places")  # arrays that mark an empty row by -1, unless there are lengths


def use_all_devices(cluster: Cluster) -> None:
    """Replicate weights that are created from now on on every device of this process, on JAX with several devices.

    Otherwise do nothing. Devices of other workers have their own copies.
    """
    if keras.backend.backend() == "jax" and len(devices := cluster.devices) > 1:
        keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices, auto_shard_dataset=False))


def place_on_devices(arrays: dict[str, Arrays]) -> dict[str, Any]:
    """Return the arrays of a batch as a step takes them; with several devices, an equal part of the rows on each.

    Empty rows are added at the end, so that the parts are equal. They have length 0, or without lengths class or places
    -1.
    """
    distribution = keras.distribution.distribution()
    if not isinstance(distribution, keras.distribution.DataParallel):
        return arrays

    def placed(array: np.ndarray) -> Any:
        return keras.distribution.distribute_tensor(array, distribution.get_data_layout(array.shape))

    rows = pad_rows(arrays, distribution.num_model_replicas)
    return {feature: {name: placed(array) for name, array in of.items()} for feature, of in rows.items()}


def pad_rows(arrays: dict[str, Arrays], devices: int) -> dict[str, Arrays]:
    """Return the arrays of a batch with empty rows at the end, so that their number is a multiple of `devices`."""

    def longer(array: np.ndarray, empty: int) -> np.ndarray:
        added = -len(array) % devices
        return np.concatenate([array, np.full((added, *array.shape[1:]), empty, array.dtype)])

    return {
        feature: {
            name: longer(array, -1 if name in EMPTY_IS_MINUS_ONE and "lengths" not in of else 0)
            for name, array in of.items()
        }
        for feature, of in arrays.items()
    }
