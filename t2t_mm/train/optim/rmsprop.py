"""RMSProp (Tieleman and Hinton 2012, Coursera lecture 6.5) with momentum, as Keras and TensorFlow have it.

    v = decay v + (1 - decay) g^2      m = momentum m + rate * g / sqrt(v + epsilon)      theta -= m

It keeps steps, where the rule `momentum` keeps gradients, and while gradients agree they grow to 1 / (1 - momentum)
rates. Nothing corrects that v begins as zero, so the first one is up to 1 / sqrt(1 - decay) rates long.
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
