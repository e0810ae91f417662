"""The arrays of one net's checkpoint as those of another net: by name, with the rows of some experts taken out.

E experts.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from t2t_mm.errors import UserError

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Fitted:
    """What a net gets. The four lists share out every name of either net."""

    arrays: dict[str, np.ndarray]
    kept: list[str]  # as they were, to the last bit
    cut: list[str]  # without the rows of experts that went
    new: list[str]  # as the new net begins
    dropped: list[str]  # of the old net, that the new one does not have


def fit(there: Arrays, here: Arrays, experts: Mapping[str, np.ndarray]) -> Fitted:
    """The arrays of a new net, each from the old one where that has it.

    Args:
        there: weights, slots and counts of the old net, by name.
        here: those of the new net as it begins.
        experts: by path of an expert layer, the numbers of the experts that stay, int[E], rising. Of what belongs to
            the layer the one axis that is shorter here is the experts'.

    Raises UserError for an array of another shape that this does not explain.
    """
    fitted = Fitted({}, [], [], [], sorted(there.keys() - here.keys()))
    for name, begun in here.items():
        if name not in there:
            value, where = begun, fitted.new
        elif there[name].shape == begun.shape:
            value, where = there[name], fitted.kept
        else:
            value, where = _cut(name, there[name], begun.shape, experts), fitted.cut
        fitted.arrays[name] = value
        where.append(name)
    return fitted


def _cut(name: str, value: np.ndarray, shape: tuple[int, ...], experts: Mapping[str, np.ndarray]) -> np.ndarray:
    layers = [layer for layer in experts if name.startswith(f"{layer}/")]
    differing = [axis for axis, sizes in enumerate(zip(value.shape, shape, strict=False)) if sizes[0] != sizes[1]]
    if not layers or value.ndim != len(shape) or len(differing) != 1:
        raise UserError(f"{name} has the shape {value.shape} in the run and {shape} in the one asked for.")
    return np.take(value, experts[layers[0]], axis=differing[0])
