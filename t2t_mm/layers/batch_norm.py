"""Batch normalisation of sequences, pads left out (Ioffe and Szegedy 2015, arXiv 1502.03167).

B examples, L positions, D channels.
"""

from collections.abc import Sequence
from typing import Any

from keras import ops

from t2t_mm.layers.forward import Forward
from t2t_mm.layers.layer import Layer
from t2t_mm.layers.replicas import ALONE, Replicas

EPSILON = 1e-3
SLOWEST = 0.01  # by which the running statistics at least follow a batch's


class BatchNorm(Layer):
    """(x - mean) / sqrt(variance + 1e-3) * scale + shift for each channel, in float32.

    Mean and variance are those of the batch's real positions in training and the running ones otherwise, which are kept
    for each problem: batches are of one problem, so that an average over problems would be nobody's. Running
    statistics are the mean of all batches so far, and from the hundredth on follow by a hundredth. They are weights
    without gradients, which a training step moves by `forward.moved`.
    """

    def build(self, width: int, problems: Sequence[str]) -> None:
        """`problems`: the names that `forward.problem` may have."""
        self.scale_D = self.add_weight(shape=(width,), initializer="ones", autocast=False, name="scale")
        self.shift_D = self.add_weight(shape=(width,), initializer="zeros", autocast=False, name="shift")
        self.running = {problem: Running(name=problem) for problem in problems}
        for running in self.running.values():
            running.build(width)

    def call(self, x_BLD: Any, real_BL: Any, forward: Forward) -> Any:
        """float[B, L, D] to float[B, L, D]. What becomes of a pad says nothing."""
        wide_BLD = ops.cast(x_BLD, "float32")
        running = self.running[forward.problem]
        if forward.training:
            mean_D, variance_D, count = moments(wide_BLD, real_BL, forward.replicas)
            running.follow(ops.stop_gradient(mean_D), ops.stop_gradient(variance_D), count, forward)
        else:
            mean_D, variance_D = running.mean_D, running.variance_D
        out_BLD = (wide_BLD - mean_D) * (ops.rsqrt(variance_D + EPSILON) * self.scale_D) + self.shift_D
        return ops.cast(out_BLD, x_BLD.dtype)


class Running(Layer):
    """Running statistics of one problem."""

    def build(self, width: int) -> None:
        def kept(shape: tuple[int, ...], start: str, name: str) -> Any:
            return self.add_weight(shape=shape, initializer=start, trainable=False, autocast=False, name=name)

        self.mean_D = kept((width,), "zeros", "mean")
        self.variance_D = kept((width,), "ones", "variance")
        self.batches = kept((), "zeros", "batches")

    def follow(self, mean_D: Any, variance_D: Any, count: Any, forward: Forward) -> None:
        """Leave in `forward` what the statistics become by those of a batch of `count` positions, if there are any."""
        batches = self.batches + ops.cast(count > 0, "float32")
        share = ops.where(count > 0, ops.maximum(1.0 / ops.maximum(batches, 1.0), SLOWEST), 0.0)
        forward.moved[self.batches.path] = batches
        forward.moved[self.mean_D.path] = self.mean_D + share * (mean_D - self.mean_D)
        forward.moved[self.variance_D.path] = self.variance_D + share * (variance_D - self.variance_D)


def moments(x_BLD: Any, real_BL: Any, replicas: Replicas = ALONE) -> tuple[Any, Any, Any]:
    """Mean and (biased) variance of each channel over real positions of the whole batch, float32[D] each, and how many
    these are."""
    real_BL1 = ops.cast(real_BL, "float32")[..., None]
    count = replicas.total(ops.sum(real_BL1))
    least = ops.maximum(count, 1.0)
    mean_D = replicas.total(ops.sum(x_BLD * real_BL1, axis=(0, 1))) / least
    variance_D = replicas.total(ops.sum(ops.square(x_BLD - mean_D) * real_BL1, axis=(0, 1))) / least
    return mean_D, variance_D, count
