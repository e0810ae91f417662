"""Batch normalisation with separate statistics for each step of a sequence (arXiv 1603.09025, section 3).

B examples, L positions of a batch, C channels, T steps whose statistics are kept, K requested positions.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from t2t_mm.errors import UserError
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.layer import Layer

EPSILON = 1e-5  # the authors'
# A channel of at most this variance counts as constant: it is too small beside EPSILON to make a difference.
CONSTANT_VARIANCE = 1e-4 * EPSILON


class Population(Layer):
    """Population statistics of one problem: a mean and a variance for each channel and each of T steps.

    Let a batch have n real rows at a step, with mean m and variance v. Then

        weight   <- (1 - rate) weight + rate n
        mean     += (m - mean) rate n / weight
        variance += (v - variance) rate n / weight

    so that the batch of k updates ago has the weight (1 - rate)^k times its rows, and initial values have no weight.
    A step that no row reaches keeps its statistics.
    """

    def __init__(self, steps: int, rate: float, *, name: str) -> None:
        """`steps` is T."""
        super().__init__(name=name)
        self.steps, self.rate = steps, rate

    def build(self, width: int) -> None:
        def statistic(shape: tuple[int, ...], name: str) -> Any:
            return self.add_weight(shape=shape, initializer="zeros", trainable=False, autocast=False, name=name)

        self.mean, self.variance = statistic((self.steps, width), "mean"), statistic((self.steps, width), "variance")
        self.weight = statistic((self.steps,), "weight")

    def update(self, mean_LC: Any, variance_LC: Any, count_L: Any, forward: Forward) -> None:
        """Write the statistics after a batch into `forward.moved`. Positions from T on are ignored."""
        mean_TC, variance_TC, count_T = (self._fitted(ops.stop_gradient(x)) for x in (mean_LC, variance_LC, count_L))
        reached_T = count_T > 0
        weight_T = ops.where(reached_T, (1 - self.rate) * self.weight.value + self.rate * count_T, self.weight.value)
        share_T1 = (self.rate * count_T / ops.where(reached_T, weight_T, 1.0))[:, None]
        for variable, batch_TC in ((self.mean, mean_TC), (self.variance, variance_TC)):
            forward.moved[variable.path] = variable.value + share_T1 * (batch_TC - variable.value)
        forward.moved[self.weight.path] = weight_T

    def at(self, positions_K: Any) -> tuple[Any, Any]:
        """Return (mean, variance), float32[K, C] each, of positions int32[K].

        Positions after the last one that training reached get the statistics of that one. Before any training they are
        0 and 1.

        A channel that was constant over the rows of a batch was normalised to zero. It shall stay zero whatever its
        value is now, because weights change faster than a running mean. So its variance is returned as infinity.
        """
        reached_T = ops.where(self.weight.value > 0, ops.arange(self.steps), 0)
        positions_K = ops.minimum(positions_K, ops.cast(ops.max(reached_T), "int32"))
        variance_KC = ops.take(self.variance.value, positions_K, axis=0)
        variance_KC = ops.where(variance_KC > CONSTANT_VARIANCE, variance_KC, float("inf"))
        trained_K1 = ops.take(self.weight.value, positions_K, axis=0)[:, None] > 0
        variance_KC = ops.where(trained_K1, variance_KC, 1.0)
        return ops.take(self.mean.value, positions_K, axis=0), variance_KC

    def _fitted(self, x: Any) -> Any:
        """Return `x`, float[L] or float[L, C], cut or padded with zeros to T positions."""
        x = x[: self.steps]
        return ops.pad(x, [[0, self.steps - ops.shape(x)[0]], *([0, 0] for _ in x.shape[1:])])


class StepNorm(Layer):
    """Batch normalisation by step: BN(x; gamma, beta) = beta + gamma (x - E[x]) / sqrt(Var[x] + epsilon).

    gamma and beta are the same at all steps. In training E and Var are those of the batch at the step; otherwise those
    of the problem's population.
    """

    def __init__(self, *, gamma: float, steps: int, rate: float, shifted: bool, name: str) -> None:
        """`gamma` is the initial scale; without `shifted` there is no beta. `steps` and `rate` are Population's."""
        super().__init__(name=name)
        self.gamma, self.steps, self.rate, self.shifted = gamma, steps, rate, shifted

    def build(self, width: int, problems: Sequence[str]) -> None:
        start = keras.initializers.Constant(self.gamma)
        self.scale_C = self.add_weight(shape=(width,), initializer=start, autocast=False, name="scale")
        if self.shifted:
            self.shift_C = self.add_weight(shape=(width,), initializer="zeros", autocast=False, name="shift")
        self.populations = {problem: Population(self.steps, self.rate, name=problem) for problem in problems}
        for population in self.populations.values():
            population.build(width)

    def call(self, x: Any, mean: Any, variance: Any) -> Any:
        """Return the normalised `x`, float32, whose last axis is C. `mean` and `variance` are broadcast to it."""
        out = (x - mean) * (self.scale_C.value * ops.rsqrt(variance + EPSILON))
        return out + self.shift_C.value if self.shifted else out

    def normalise_per_step(self, x_LBC: Any, real_LB: Any, forward: Forward) -> Any:
        """Return the normalised float32[L, B, C], with separate statistics for each of the L steps.

        Raises UserError in training with several replicas.
        """
        population = self.populations[forward.problem]
        if not forward.training:
            mean_LC, variance_LC = population.at(ops.arange(ops.shape(x_LBC)[0]))
            return self(x_LBC, mean_LC[:, None], variance_LC[:, None])
        if forward.replicas.count > 1:
            raise UserError(
                "Statistics of each step of a sequence are not summed over workers: train bn_lstm in one process."
            )
        mean_L1C, variance_L1C = statistics(x_LBC, shares(real_LB))
        population.update(mean_L1C[:, 0], variance_L1C[:, 0], ops.sum(ops.cast(real_LB, "float32"), axis=1), forward)
        return self(x_LBC, mean_L1C, variance_L1C)

    def normalise_all_steps(self, x: Any, real: Any, forward: Forward) -> Any:
        """Return the normalised float32[..., C], with one mean and variance over all real positions, bool[...]."""
        x_1NC = ops.reshape(x, (1, -1, x.shape[-1]))
        return ops.reshape(self.normalise_per_step(x_1NC, ops.reshape(real, (1, -1)), forward), ops.shape(x))


def statistics(x_NC: Any, share_N: Any) -> tuple[Any, Any]:
    """Return (mean, variance), float32[..., 1, C] each, of the rows of float32[..., N, C].

    `share_N`, float32[..., 1, N], is the weight of each row: 1 / n for each of n real rows, else 0.
    """
    mean_1C = ops.matmul(share_N, x_NC)
    return mean_1C, ops.matmul(share_N, ops.square(x_NC - mean_1C))


def shares(real_N: Any) -> Any:
    """Return row weights for `statistics`, float32[..., 1, N], from the mask of real rows; all 0 if none is real."""
    real_N = ops.cast(real_N, "float32")
    return (real_N / ops.maximum(ops.sum(real_N, axis=-1, keepdims=True), 1.0))[..., None, :]
