"""The contract of an update rule: what it remembers of a weight, and where the weight goes next."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from t2t_mm.hparam_set import TrainingHparams

AVERAGE = "average"  # the slot, of whatever rule, that holds the exponential moving average of a weight

Shape = tuple[int, ...]
Slots = Mapping[str, Any]  # what a rule remembers of a weight, by name
Updated = Callable[[Any, Slots, Any, Any, Any, TrainingHparams], tuple[Any, dict[str, Any]]]


@dataclass(frozen=True)
class UpdateRule:
    """One optimizer, as functions of one weight.

    `slots`: the shape of each slot of a weight of this shape; all begin as zeros. A command's row of the table of
    commands is a weight of its own.

    `updated`: (weight, slots, gradient, rate, count, hparams) -> (weight, slots), on tensors of float32. rate is
    float32[], the learning rate; count is float32[], which step of the weight's net this is, from 1.

    `fused`: the same arguments, the first two as Keras variables, which it moves in place; for TensorFlow alone.

    `decoupled`: weight decay shrinks the weight itself by rate * weight_decay before the update (arXiv 1711.05101),
    instead of adding to the gradient.

    `takes`: of a weight's path and shape, whether the rule moves it; what it leaves moves by the rule `others`.
    """

    slots: Callable[[Shape], dict[str, Shape]]
    updated: Updated
    fused: Callable[..., None] | None = None
    decoupled: bool = False
    takes: Callable[[str, Shape], bool] | None = None
    others: "UpdateRule | None" = None

    def of(self, path: str, shape: Shape) -> "UpdateRule":
        """The rule that moves this weight: itself or `others`."""
        return self if self.others is None or self.takes is None or self.takes(path, shape) else self.others
