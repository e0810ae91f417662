"""Muon (K. Jordan et al. 2024, kellerjordan.github.io/posts/muon), in steps as long as arXiv 2502.16982, 2.2, has them.

A hidden matrix moves along the nearest semi-orthogonal matrix to its momentum, so that rare directions of the gradient
count as much as common ones:

    m = momentum m + g      u = g + momentum m      (Nesterov's look ahead)
    theta -= rate * 0.2 sqrt(max(rows, columns)) * orthogonal(u)

The factor gives steps the length of Adam's, so that a rate that serves one serves the other. A step is as long however
small the momentum is, so a matrix without any gradient, such as an expert that got no token, stays where it is. What is
no hidden matrix (tables of symbols and classes, gates, taps of depthwise convolutions, scales, biases) moves by AdamW.
"""

from typing import Any

from keras import ops

from t2t_mm.hparam_set import TrainingHparams
from t2t_mm.train.optim.adam import ADAM_W
from t2t_mm.train.optim.update_rule import Shape, Slots, UpdateRule

LENGTH = 0.2  # root of the mean square of a step, in rates: about Adam's
ROUNDS = 5
COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of x, x^3 and x^5: steep at zero, and near 1 from there on after five rounds
# The last names of weights of two axes and more that are no hidden matrices; rows are those of symbols and classes.
ELSEWHERE = ("rows", "gate", "gate_noise", "depthwise", "content_bias", "distance_bias", "logits")


def hidden(path: str, shape: Shape) -> bool:
    """Whether it is a hidden matrix, or a stack of some: experts, taps of a convolution."""
    return len(shape) > 1 and path.rpartition("/")[2] not in ELSEWHERE


def slots(shape: Shape) -> dict[str, Shape]:
    return {"m": shape}


def updated(
    weight: Any, slots: Slots, gradient: Any, rate: Any, count: Any, hparams: TrainingHparams
) -> tuple[Any, dict[str, Any]]:
    gradient = ops.reshape(gradient, weight.shape)  # TensorFlow does not know the shapes of all
    m = hparams.muon_momentum * slots["m"] + gradient
    ahead = gradient + hparams.muon_momentum * m
    length = LENGTH * max(weight.shape[-2:]) ** 0.5
    used = ops.any(gradient != 0.0, axis=(-2, -1), keepdims=True)
    return weight - rate * length * ops.where(used, orthogonal(ahead), 0.0), {"m": m}


def orthogonal(x: Any) -> Any:
    """Each matrix float32[..., R, C] with its singular values near 1 (0.7 to 1.2): Newton and Schulz's iteration.

    Those below some 0.002 of the root of their squares' sum stay smaller, and zeros stay zeros.
    """
    tall = x.shape[-2] > x.shape[-1]
    x = ops.swapaxes(x, -1, -2) if tall else x
    x = x / (ops.sqrt(ops.sum(ops.square(x), axis=(-2, -1), keepdims=True)) + 1e-7)
    first, third, fifth = COEFFICIENTS
    for _ in range(ROUNDS):
        square = ops.matmul(x, ops.swapaxes(x, -1, -2))
        x = first * x + ops.matmul(third * square + fifth * ops.matmul(square, square), x)
    return ops.swapaxes(x, -1, -2) if tall else x


MUON = UpdateRule(slots, updated, decoupled=True, takes=hidden, others=ADAM_W)
