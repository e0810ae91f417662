"""Stochastic gradient descent with momentum, as in TensorFlow's MomentumOptimizer and T2T.

    m = momentum m + g      theta -= rate * m, or with Nesterov momentum rate * (g + momentum m)

Keras' SGD keeps rate * m instead, which is the same while the learning rate does not change.
"""

from typing import Any

from t2t_mm.hparam_set import TrainingHparams
from t2t_mm.train.optim.update_rule import Shape, Slots, UpdateRule


def slots(shape: Shape) -> dict[str, Shape]:
    return {"m": shape}


def updated(
    weight: Any, slots: Slots, gradient: Any, rate: Any, count: Any, hparams: TrainingHparams
) -> tuple[Any, dict[str, Any]]:
    m = hparams.momentum * slots["m"] + gradient
    ahead = gradient + hparams.momentum * m if hparams.momentum_nesterov else m
    return weight - rate * ahead, {"m": m}


MOMENTUM = UpdateRule(slots, updated)
