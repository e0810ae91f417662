"""Batch normalisation of sequences, without their padding (Ioffe and Szegedy 2015, arXiv 1502.03167).

B examples, L positions, D channels.
"""

from collections.abc import Sequence
from typing import Any

from keras import ops

from t2t_mm.layers.forward import Forward
from t2t_mm.layers.layer import Layer
from t2t_mm.layers.replicas import ALONE, Replicas

EPSILON = 1e-3
MIN_UPDATE_RATE = 0.01  # the smallest weight of a new batch in the running statistics


class BatchNorm(Layer):
    """Batch normalisation: (x - mean) / sqrt(variance + 1e-3) * scale + shift for each channel, in float32.

    In training, mean and variance are those of the batch's real positions. Otherwise they are running statistics, which
    are kept separately for each problem: a batch holds one problem, so an average over problems would fit none of them.
    The running statistics are the mean over all batches so far; from the hundredth batch on, each new batch has the
    weight 1 / 100. They are weights without gradients, and a training step updates them from `forward.moved`.
    """

    def build(self, width: int, problems: Sequence[str]) -> None:
        """Make the weights. `problems` are the names that `forward.problem` may have."""
        self.scale_D = self.add_weight(shape=(width,), initializer="ones", autocast=False, name="scale")
        self.shift_D = self.add_weight(shape=(width,), initializer="zeros", autocast=False, name="shift")
        self.running = {problem: RunningStatistics(name=problem) for problem in problems}
        for running in self.running.values():
            running.build(width)

    def call(self, x_BLD: Any, real_BL: Any, forward: Forward) -> Any:
        """Map float[B, L, D] to float[B, L, D]. The values at padding positions have no meaning."""
        wide_BLD = ops.cast(x_BLD, "float32")
        running = self.running[forward.problem]
        if forward.training:
            mean_D, variance_D, count = moments(wide_BLD, real_BL, forward.replicas)
            running.update(ops.stop_gradient(mean_D), ops.stop_gradient(variance_D), count, forward)
        else:
            mean_D, variance_D = running.mean_D, running.variance_D
        out_BLD = (wide_BLD - mean_D) * (ops.rsqrt(variance_D + EPSILON) * self.scale_D) + self.shift_D
        return ops.cast(out_BLD, x_BLD.dtype)


class RunningStatistics(Layer):
    """The running mean and variance of one problem, and the number of batches in them."""

    def build(self, width: int) -> None:
        def statistic(shape: tuple[int, ...], start: str, name: str) -> Any:
            return self.add_weight(shape=shape, initializer=start, trainable=False, autocast=False, name=name)

        self.mean_D = statistic((width,), "zeros", "mean")
        self.variance_D = statistic((width,), "ones", "variance")
        self.batches = statistic((), "zeros", "batches")

    def update(self, mean_D: Any, variance_D: Any, count: Any, forward: Forward) -> None:
        """Write the statistics after a batch of `count` real positions into `forward.moved`; no change if it is 0."""
        batches = self.batches + ops.cast(count > 0, "float32")
        share = ops.where(count > 0, ops.maximum(1.0 / ops.maximum(batches, 1.0), MIN_UPDATE_RATE), 0.0)
        forward.moved[self.batches.path] = batches
        forward.moved[self.mean_D.path] = self.mean_D + share * (mean_D - self.mean_D)
        forward.moved[self.variance_D.path] = self.variance_D + share * (variance_D - self.variance_D)


def moments(x_BLD: Any, real_BL: Any, replicas: Replicas = ALONE) -> tuple[Any, Any, Any]:
    """Return mean and (biased) variance of each channel, float32[D] each, and the number of real positions.

    They are taken over the real positions of the batch of all `replicas`.
    """
    real_BL1 = ops.cast(real_BL, "float32")[..., None]
    count = replicas.total(ops.sum(real_BL1))
    least = ops.maximum(count, 1.0)
    mean_D = replicas.total(ops.sum(x_BLD * real_BL1, axis=(0, 1))) / least
    variance_D = replicas.total(ops.sum(ops.square(x_BLD - mean_D) * real_BL1, axis=(0, 1))) / least
    return mean_D, variance_D, count
