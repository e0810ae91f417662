"""Fit the arrays of one net's checkpoint to another net, by name; rows of pruned experts are removed.

E experts.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from t2t_mm.errors import UserError

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Fitted:
    """The arrays for a net. Each name of either net is in one of the four lists."""

    arrays: dict[str, np.ndarray]
    kept: list[str]  # unchanged, to the last bit
    cut: list[str]  # without the rows of pruned experts
    new: list[str]  # initial values of the new net
    dropped: list[str]  # names of the old net that the new one does not have


def fit(there: Arrays, here: Arrays, experts: Mapping[str, np.ndarray]) -> Fitted:
    """Return the arrays of a new net, taken from the old one if it has them.

    Args:
        there: weights, slots and counts of the old net, by name.
        here: the initial ones of the new net.
        experts: by path of an expert layer, the numbers of the experts to keep, int[E], in increasing order. In the
            arrays of the layer, the one axis that is shorter in the new net is that of the experts.

    Raises UserError for an array of another shape for any other reason.
    """
    fitted = Fitted({}, [], [], [], sorted(there.keys() - here.keys()))
    for name, initial in here.items():
        if name not in there:
            value, where = initial, fitted.new
        elif there[name].shape == initial.shape:
            value, where = there[name], fitted.kept
        else:
            value, where = _cut(name, there[name], initial.shape, experts), fitted.cut
        fitted.arrays[name] = value
        where.append(name)
    return fitted


def _cut(name: str, value: np.ndarray, shape: tuple[int, ...], experts: Mapping[str, np.ndarray]) -> np.ndarray:
    layers = [layer for layer in experts if name.startswith(f"{layer}/")]
    differing = [axis for axis, sizes in enumerate(zip(value.shape, shape, strict=False)) if sizes[0] != sizes[1]]
    if not layers or value.ndim != len(shape) or len(differing) != 1:
        raise UserError(f"{name} has the shape {value.shape} in the run and {shape} in the new net.")
    return np.take(value, experts[layers[0]], axis=differing[0])
