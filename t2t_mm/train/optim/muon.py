"""Muon (K. Jordan et al. 2024, kellerjordan.github.io/posts/muon), with steps scaled as in arXiv 2502.16982, 2.2.

A hidden matrix moves along the semi-orthogonal matrix that is nearest to its momentum, so that rare directions of the
gradient count as much as common ones:

    m = momentum m + g      u = g + momentum m      (Nesterov momentum)
    theta -= rate * 0.2 sqrt(max(rows, columns)) * orthogonal(u)

The factor gives steps the length of Adam's, so that both can use the same learning rate. The length of a step does not
depend on the size of the momentum. So a matrix without any gradient, such as an expert that got no token, is not
updated. Weights that are not hidden matrices (embedding tables of symbols and classes, gates, taps of depthwise
convolutions, scales, biases) are updated by AdamW.
"""

from typing import Any

from keras import ops

from t2t_mm.hparam_set import TrainingHparams
from t2t_mm.train.optim.adam import ADAM_W
from t2t_mm.train.optim.update_rule import Shape, Slots, UpdateRule

LENGTH = 0.2  # root mean square of a step in units of the learning rate: about Adam's
ROUNDS = 5
COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of x, x^3 and x^5: steep at zero; results are near 1 after five rounds
# The last names of weights with two axes or more that are not hidden matrices; "rows" are those of symbols and classes.
ELSEWHERE = ("rows", "gate", "gate_noise", "depthwise", "content_bias", "distance_bias", "logits")


def hidden(path: str, shape: Shape) -> bool:
    """Return True for a hidden matrix, or a stack of hidden matrices: experts, taps of a convolution."""
    return len(shape) > 1 and path.rpartition("/")[2] not in ELSEWHERE


def slots(shape: Shape) -> dict[str, Shape]:
    return {"m": shape}


def updated(
    weight: Any, slots: Slots, gradient: Any, rate: Any, count: Any, hparams: TrainingHparams
) -> tuple[Any, dict[str, Any]]:
    gradient = ops.reshape(gradient, weight.shape)  # TensorFlow does not know all shapes while tracing
    m = hparams.muon_momentum * slots["m"] + gradient
    ahead = gradient + hparams.muon_momentum * m
    length = LENGTH * max(weight.shape[-2:]) ** 0.5
    used = ops.any(gradient != 0.0, axis=(-2, -1), keepdims=True)
    return weight - rate * length * ops.where(used, orthogonal(ahead), 0.0), {"m": m}


def orthogonal(x: Any) -> Any:
    """Return each matrix of float32[..., R, C] with singular values near 1 (0.7 to 1.2), by Newton-Schulz iteration.

    Singular values below about 0.002 of the root of the sum of their squares stay smaller, and zeros stay zeros.
    """
    tall = x.shape[-2] > x.shape[-1]
    x = ops.swapaxes(x, -1, -2) if tall else x
    x = x / (ops.sqrt(ops.sum(ops.square(x), axis=(-2, -1), keepdims=True)) + 1e-7)
    first, third, fifth = COEFFICIENTS
    for _ in range(ROUNDS):
        square = ops.matmul(x, ops.swapaxes(x, -1, -2))
        x = first * x + ops.matmul(third * square + fifth * ops.matmul(square, square), x)
    return ops.swapaxes(x, -1, -2) if tall else x


MUON = UpdateRule(slots, updated, decoupled=True, applies_to=hidden, fallback=ADAM_W)
