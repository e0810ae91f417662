"""Adafactor optimizer (arXiv 1804.04235, algorithms 4 and 5) without momentum, as in T2T and Keras.

The second moments of a weight with two axes or more are factored: the optimizer keeps the means of their rows and of
their columns (the last two axes). So a weight of n x m has n + m slot numbers, where Adam has 2 n m:

    beta2 = 1 - t^-adafactor_memory_exponent
    r = beta2 r + (1 - beta2) mean_columns(g^2 + 1e-30)      c = beta2 c + (1 - beta2) mean_rows(g^2 + 1e-30)
    u = g / sqrt(r c / mean(r))        for a weight with one axis: u = g / sqrt(v)
    theta -= rate * max(1e-3, rms(theta)) * u / max(1, rms(u) / adafactor_clipping_threshold)
"""

from typing import Any

from keras import ops

from t2t_mm.hparam_set import TrainingHparams
from t2t_mm.train.optim.update_rule import Shape, Slots, UpdateRule

LEAST_SQUARE = 1e-30  # epsilon_1: added to squared gradients
LEAST_SIZE = 1e-3  # epsilon_2: least root mean square of a weight


def slots(shape: Shape) -> dict[str, Shape]:
    return {"r": shape[:-1], "c": (*shape[:-2], shape[-1])} if len(shape) > 1 else {"v": shape}


def updated(
    weight: Any, slots: Slots, gradient: Any, rate: Any, count: Any, hparams: TrainingHparams
) -> tuple[Any, dict[str, Any]]:
    beta2 = 1.0 - count**-hparams.adafactor_memory_exponent
    square = ops.square(gradient) + LEAST_SQUARE
    if "v" in slots:
        moved = {"v": beta2 * slots["v"] + (1.0 - beta2) * square}
        step = gradient * ops.rsqrt(moved["v"])
    else:
        r = beta2 * slots["r"] + (1.0 - beta2) * ops.mean(square, axis=-1)
        c = beta2 * slots["c"] + (1.0 - beta2) * ops.mean(square, axis=-2)
        moved = {"r": r, "c": c}
        rows = ops.rsqrt(r / ops.mean(r, axis=-1, keepdims=True))
        step = gradient * rows[..., None] * ops.rsqrt(c)[..., None, :]
    step = step / ops.maximum(1.0, _rms(step) / hparams.adafactor_clipping_threshold)
    scale = ops.maximum(LEAST_SIZE, _rms(weight)) if hparams.adafactor_multiply_by_parameter_scale else 1.0
    return weight - rate * scale * step, moved


def _rms(x: Any) -> Any:
    return ops.sqrt(ops.mean(ops.square(x)))


ADAFACTOR = UpdateRule(slots, updated)
