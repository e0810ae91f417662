"""On JAX one process trains on all devices of its host, each with its rows of every batch.

Weights stand on every device. XLA compiles a step of the whole batch and puts in what devices must ask of each other,
so that a step computes what it does on one device: sums in another order are all that differs.
"""

from typing import Any

import keras
import numpy as np

from t2t_mm.problem import Arrays


def use_all_devices() -> None:
    """Let weights that are made from now on stand on every device, if this is JAX and there are several."""
    if keras.backend.backend() == "jax" and len(keras.distribution.list_devices()) > 1:
        keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))


def shared(arrays: dict[str, Arrays]) -> dict[str, Any]:
    """The arrays of a batch as a step takes them: where there are several devices, a part on each.

    Empty rows are put behind, so that the parts are alike: length 0, class -1.
    """
    distribution = keras.distribution.distribution()
    if not isinstance(distribution, keras.distribution.DataParallel):
        return arrays
    devices = distribution.num_model_replicas

    def longer(name: str, array: np.ndarray) -> np.ndarray:
        added = -len(array) % devices
        empty = -1 if name == "class" else 0
        return np.concatenate([array, np.full((added, *array.shape[1:]), empty, array.dtype)])

    def placed(array: np.ndarray) -> Any:
        return keras.distribution.distribute_tensor(array, distribution.get_data_layout(array.shape))

    return {
        feature: {name: placed(longer(name, array)) for name, array in of.items()} for feature, of in arrays.items()
    }
