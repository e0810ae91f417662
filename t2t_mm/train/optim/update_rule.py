"""Interface of an optimizer's update rule: its slots for a weight, and the update of the weight."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from t2t_mm.hparam_set import TrainingHparams

AVERAGE = "average"  # slot of any rule with the exponential moving average of a weight

Shape = tuple[int, ...]
Slots = Mapping[str, Any]  # the tensors that a rule keeps for a weight, by name
Updated = Callable[[Any, Slots, Any, Any, Any, TrainingHparams], tuple[Any, dict[str, Any]]]


@dataclass(frozen=True)
class UpdateRule:
    """An optimizer, as functions of one weight.

    `slots`: returns the shape of each slot for a weight of this shape; all slots begin as zeros. The row of a command
    in the table of commands is treated as a weight of its own.

    `updated`: (weight, slots, gradient, rate, count, hparams) -> (weight, slots), on float32 tensors. rate is
    float32[], the learning rate; count is float32[], the number of this step for the weight's net, from 1.

    `fused`: takes the same arguments, but the first two as Keras variables, which it updates in place; TensorFlow only.

    `decoupled`: decoupled weight decay (arXiv 1711.05101): the weight is reduced by rate * weight_decay times itself
    before the update, instead of adding the decay to the gradient.

    `applies_to`: returns True for the path and shape of a weight that this rule updates; other weights are updated by
    the rule `fallback`.
    """

    slots: Callable[[Shape], dict[str, Shape]]
    updated: Updated
    fused: Callable[..., None] | None = None
    decoupled: bool = False
    applies_to: Callable[[str, Shape], bool] | None = None
    fallback: "UpdateRule | None" = None

    def for_weight(self, path: str, shape: Shape) -> "UpdateRule":
        """Return the rule that updates this weight: this rule or its fallback."""
        if self.fallback is None or self.applies_to is None or self.applies_to(path, shape):
            return self
        return self.fallback
