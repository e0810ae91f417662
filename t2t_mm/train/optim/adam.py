"""Adam optimizer (arXiv 1412.6980) as in Keras and TensorFlow, and AdamW: decoupled weight decay (arXiv 1711.05101).

m and v are the first and second moments; sqrt(1 - beta2^t) / (1 - beta1^t) is their bias correction:

    m = beta1 m + (1 - beta1) g      v = beta2 v + (1 - beta2) g^2
    theta -= rate * sqrt(1 - beta2^t) / (1 - beta1^t) * m / (sqrt(v) + epsilon)
"""

from dataclasses import replace
from typing import Any

from keras import ops

from t2t_mm.hparam_set import TrainingHparams
from t2t_mm.train.optim.update_rule import Shape, Slots, UpdateRule


def slots(shape: Shape) -> dict[str, Shape]:
    return {"m": shape, "v": shape}


def updated(
    weight: Any, slots: Slots, gradient: Any, rate: Any, count: Any, hparams: TrainingHparams
) -> tuple[Any, dict[str, Any]]:
    beta1, beta2 = hparams.adam_beta1, hparams.adam_beta2
    m = beta1 * slots["m"] + (1.0 - beta1) * gradient
    v = beta2 * slots["v"] + (1.0 - beta2) * ops.square(gradient)
    scale = rate * ops.sqrt(1.0 - beta2**count) / (1.0 - beta1**count)
    return weight - scale * m / (ops.sqrt(v) + hparams.adam_epsilon), {"m": m, "v": v}


def fused(weight: Any, slots: Slots, gradient: Any, rate: Any, count: Any, hparams: TrainingHparams) -> None:
    """Update a weight and its moments in place by one TensorFlow kernel, with the same result as `updated`."""
    import tensorflow as tf

    tf.raw_ops.ResourceApplyAdam(
        var=weight.value.handle,
        m=slots["m"].value.handle,
        v=slots["v"].value.handle,
        beta1_power=hparams.adam_beta1**count,
        beta2_power=hparams.adam_beta2**count,
        lr=rate,
        beta1=hparams.adam_beta1,
        beta2=hparams.adam_beta2,
        epsilon=hparams.adam_epsilon,
        grad=gradient,
    )


ADAM = UpdateRule(slots, updated, fused)
ADAM_W = replace(ADAM, decoupled=True)
