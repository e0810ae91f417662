"""Batch normalisation with statistics of their own for each step of a sequence (arXiv 1603.09025, section 3).

B examples, L positions of a batch, C channels, T steps whose statistics are kept, K positions asked for.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from t2t_mm.errors import UserError
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.layer import Layer

EPSILON = 1e-5  # the authors'
STILL = 1e-4 * EPSILON  # a variance that makes no difference to a batch: it is a hundredth of epsilon's deviation


class Population(Layer):
    """What one problem's batches had on average: a mean and a variance for each channel and each of T steps.

    With n real rows in a batch at a step, of mean m and variance v,

        weight   <- (1 - rate) weight + rate n
        mean     += (m - mean) rate n / weight
        variance += (v - variance) rate n / weight

    so that the batch k updates ago counts (1 - rate)^k times its rows, and what the variables held before the first one
    counts nothing. A step that no row reaches stays as it is.
    """

    def __init__(self, steps: int, rate: float, *, name: str) -> None:
        """`steps` is T."""
        super().__init__(name=name)
        self.steps, self.rate = steps, rate

    def build(self, width: int) -> None:
        def kept(shape: tuple[int, ...], name: str) -> Any:
            return self.add_weight(shape=shape, initializer="zeros", trainable=False, autocast=False, name=name)

        self.mean, self.variance = kept((self.steps, width), "mean"), kept((self.steps, width), "variance")
        self.weight = kept((self.steps,), "weight")

    def move(self, mean_LC: Any, variance_LC: Any, count_L: Any, forward: Forward) -> None:
        """Leave the next values in `forward`, given those of a batch; positions behind T say nothing."""
        mean_TC, variance_TC, count_T = (self._fitted(ops.stop_gradient(x)) for x in (mean_LC, variance_LC, count_L))
        seen_T = count_T > 0
        weight_T = ops.where(seen_T, (1 - self.rate) * self.weight.value + self.rate * count_T, self.weight.value)
        share_T1 = (self.rate * count_T / ops.where(seen_T, weight_T, 1.0))[:, None]
        for variable, found_TC in ((self.mean, mean_TC), (self.variance, variance_TC)):
            forward.moved[variable.path] = variable.value + share_T1 * (found_TC - variable.value)
        forward.moved[self.weight.path] = weight_T

    def at(self, positions_K: Any) -> tuple[Any, Any]:
        """(mean, variance), float32[K, C] each, of positions int32[K]; those of the last that training reached are
        those of all behind it. Before any training they are 0 and 1.

        What was the same in all rows of a batch was normalised to zero, and stays so whatever it is now, since weights
        move faster than a running mean: its variance is given as infinite.
        """
        reached_T = ops.where(self.weight.value > 0, ops.arange(self.steps), 0)
        positions_K = ops.minimum(positions_K, ops.cast(ops.max(reached_T), "int32"))
        variance_KC = ops.take(self.variance.value, positions_K, axis=0)
        variance_KC = ops.where(variance_KC > STILL, variance_KC, float("inf"))
        trained_K1 = ops.take(self.weight.value, positions_K, axis=0)[:, None] > 0
        variance_KC = ops.where(trained_K1, variance_KC, 1.0)
        return ops.take(self.mean.value, positions_K, axis=0), variance_KC

    def _fitted(self, x: Any) -> Any:
        """`x`, float[L] or float[L, C], with T in place of L: cut, or with zeros behind."""
        x = x[: self.steps]
        return ops.pad(x, [[0, self.steps - ops.shape(x)[0]], *([0, 0] for _ in x.shape[1:])])


class StepNorm(Layer):
    """BN(x; gamma, beta) = beta + gamma (x - E[x]) / sqrt(Var[x] + epsilon); gamma and beta are the same at all steps.

    In training E and Var are those of the batch at the step; otherwise those of the problem's population.
    """

    def __init__(self, *, gamma: float, steps: int, rate: float, shifted: bool, name: str) -> None:
        """`gamma` is what the scale starts from; without `shifted` there is no beta. The rest as in Population."""
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
        """float32 of the shape of `x`, whose last axis is C; `mean` and `variance` broadcast against it."""
        out = (x - mean) * (self.scale_C.value * ops.rsqrt(variance + EPSILON))
        return out + self.shift_C.value if self.shifted else out

    def apart(self, x_LBC: Any, real_LB: Any, forward: Forward) -> Any:
        """float32[L, B, C], each of L steps with statistics of its own."""
        population = self.populations[forward.problem]
        if not forward.training:
            mean_LC, variance_LC = population.at(ops.arange(ops.shape(x_LBC)[0]))
            return self(x_LBC, mean_LC[:, None], variance_LC[:, None])
        if forward.replicas.count > 1:
            raise UserError(
                "Statistics of each step of a sequence are not summed over workers: train bn_lstm in one process."
            )
        mean_L1C, variance_L1C = statistics(x_LBC, shares(real_LB))
        population.move(mean_L1C[:, 0], variance_L1C[:, 0], ops.sum(ops.cast(real_LB, "float32"), axis=1), forward)
        return self(x_LBC, mean_L1C, variance_L1C)

    def together(self, x: Any, real: Any, forward: Forward) -> Any:
        """float32[..., C] with one mean and variance over all that is `real`, bool[...]."""
        x_1NC = ops.reshape(x, (1, -1, x.shape[-1]))
        return ops.reshape(self.apart(x_1NC, ops.reshape(real, (1, -1)), forward), ops.shape(x))


def statistics(x_NC: Any, share_N: Any) -> tuple[Any, Any]:
    """(mean, variance), float32[..., 1, C] each, of the rows of float32[..., N, C].

    `share_N`, float32[..., 1, N], is each row's share of the whole: 1 / n for each of n real rows, else 0.
    """
    mean_1C = ops.matmul(share_N, x_NC)
    return mean_1C, ops.matmul(share_N, ops.square(x_NC - mean_1C))


def shares(real_N: Any) -> Any:
    """float32[..., 1, N] for `statistics`, given which rows are real; all 0 where none is."""
    real_N = ops.cast(real_N, "float32")
    return (real_N / ops.maximum(ops.sum(real_N, axis=-1, keepdims=True), 1.0))[..., None, :]
