"""RMSProp optimizer (Tieleman and Hinton 2012, Coursera lecture 6.5) with momentum, as in Keras and TensorFlow.

    v = decay v + (1 - decay) g^2      m = momentum m + rate * g / sqrt(v + epsilon)      theta -= m

The momentum here is a moving sum of steps, while the rule `momentum` keeps one of gradients. While gradients agree,
steps grow to 1 / (1 - momentum) learning rates. There is no bias correction for v, which begins as zero, so the first
step is up to 1 / sqrt(1 - decay) learning rates long.
"""

from typing import Any

from keras import ops

from t2t_mm.hparam_set import TrainingHparams
from t2t_mm.train.optim.update_rule import Shape, Slots, UpdateRule


def slots(shape: Shape) -> dict[str, Shape]:
    return {"v": shape, "m": shape}


def updated(
    weight: Any, slots: Slots, gradient: Any, rate: Any, count: Any, hparams: TrainingHparams
) -> tuple[Any, dict[str, Any]]:
    v = hparams.rmsprop_decay * slots["v"] + (1.0 - hparams.rmsprop_decay) * ops.square(gradient)
    m = hparams.momentum * slots["m"] + rate * gradient * ops.rsqrt(v + hparams.rmsprop_epsilon)
    return weight - m, {"v": v, "m": m}


RMSPROP = UpdateRule(slots, updated)
