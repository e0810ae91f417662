"""LSTM, plain or with recurrent batch normalisation (Cooijmans et al. 2016, arXiv 1603.09025).

B examples, L positions, D input channels, H units, G = 4 H gate inputs. Inside, time is the first axis.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import ops

from t2t_mm.layers.forward import Forward
from t2t_mm.layers.layer import Layer
from t2t_mm.layers.recurrence import Normaliser, NormParameters, advance, identity, unroll
from t2t_mm.layers.step_norm import StepNorm, shares

Start = tuple[Any, Any, Any, Any]  # the input's part of the gate inputs, float32[L, B, G]; h_0; c_0; W_h


class Lstm(Layer):
    """An LSTM layer of H units, from left to right.

        (g~, f~, i~, o~)_t = BN(W_h h_(t-1); gamma_h) + BN(W_x x_t; gamma_x) + b
        c_t = sigmoid(f~) c_(t-1) + sigmoid(i~) tanh(g~)
        h_t = sigmoid(o~) tanh(BN(c_t; gamma_c, beta_c))

    Without `batch_norm` each BN is the identity, and the layer is the plain LSTM. h_0 and c_0 are learned. The gates
    are in the order of the authors' code. b starts at 1 for the forget gates and at 0 otherwise.

    Padding has no part in a batch's statistics. It follows the real positions, so that no real output depends on it.
    """

    def __init__(
        self,
        size: int,
        *,
        batch_norm: bool = True,
        gamma: float = 0.1,
        recurrent_start: str = "orthogonal",
        input_statistics: str = "step",
        steps: int = 1,
        rate: float = 0.05,
        noise: float = 0.0,
        name: str,
    ) -> None:
        """
        Args:
            size: H.
            batch_norm: use recurrent batch normalisation.
            gamma: the initial value of every scale.
            recurrent_start: "orthogonal"; or "identity" for the block of W_h that computes g~, the rest orthogonal.
            input_statistics: for W_x x: "step", or "sequence" for one mean and variance over all steps.
            steps, rate: those of the population statistics, see `Population`.
            noise: the standard deviation of noise added to h_0 in training; only with `batch_norm`.
        """
        super().__init__(name=name)
        self.size, self.recurrent_start, self.by_sequence = size, recurrent_start, input_statistics == "sequence"
        self.noise = noise if batch_norm else 0.0
        self.input_norm = self.recurrent_norm = self.cell_norm = None
        if batch_norm:
            input_steps = 1 if self.by_sequence else steps
            self.input_norm = StepNorm(gamma=gamma, steps=input_steps, rate=rate, shifted=False, name="input_norm")
            self.recurrent_norm = StepNorm(gamma=gamma, steps=steps, rate=rate, shifted=False, name="recurrent_norm")
            self.cell_norm = StepNorm(gamma=gamma, steps=steps, rate=rate, shifted=True, name="cell_norm")

    def build(self, width: int, problems: Sequence[str]) -> None:
        """Make the weights. Each of `problems` has population statistics of its own."""
        size = self.size
        orthogonal = keras.initializers.Orthogonal
        self.input_DG = self.add_weight(shape=(width, 4 * size), initializer=orthogonal(), name="input")
        start = orthogonal() if self.recurrent_start == "orthogonal" else _identity_then_orthogonal
        self.recurrent_HG = self.add_weight(shape=(size, 4 * size), initializer=start, name="recurrent")
        self.shift_G = self.add_weight(shape=(4 * size,), initializer=_initial_shift, autocast=False, name="shift")
        for name in ("first_hidden", "first_cell"):
            vector_H = self.add_weight(shape=(size,), initializer="zeros", autocast=False, name=name)
            setattr(self, f"{name}_H", vector_H)
        for norm in (self.input_norm, self.recurrent_norm):
            if norm is not None:
                norm.build(4 * size, problems)
        if self.cell_norm is not None:
            self.cell_norm.build(size, problems)

    def call(self, x_BLD: Any, real_BL: Any, forward: Forward, start_BH: Any = None) -> Any:
        """Map float[B, L, D] to h_1 to h_L, float[B, L, H]. `start_BH`, if not None, is added to h_0."""
        x_LBD, real_LB = ops.transpose(x_BLD, (1, 0, 2)), ops.transpose(real_BL, (1, 0))
        from_input_LBG = ops.cast(ops.matmul(x_LBD, self.input_DG), "float32")
        if self.input_norm is not None:
            normalise = self.input_norm.normalise_all_steps if self.by_sequence else self.input_norm.normalise_per_step
            from_input_LBG = normalise(from_input_LBG, real_LB, forward)
        from_input_LBG = from_input_LBG + self.shift_G.value
        rows = ops.shape(x_BLD)[0]
        h_BH, c_BH = self.initial_state(rows, start_BH)
        if forward.noise is not None and self.noise:
            h_BH = h_BH + self.noise * forward.noise.normal((rows, self.size), self.path)
        start = from_input_LBG, h_BH, c_BH, self.recurrent_HG.value
        if self.recurrent_norm is None or self.cell_norm is None:
            h_LBH, *_ = unroll(*start, None)
        elif forward.training:
            h_LBH = self._with_batch(self.recurrent_norm, self.cell_norm, start, real_LB, forward)
        else:
            h_LBH = self._with_population(self.recurrent_norm, self.cell_norm, start, forward)
        return ops.cast(ops.transpose(h_LBH, (1, 0, 2)), x_BLD.dtype)

    def _with_batch(
        self, recurrent_norm: StepNorm, cell_norm: StepNorm, start: Start, real_LB: Any, forward: Forward
    ) -> Any:
        """Return h_1 to h_L, float32[L, B, H], by the statistics of the batch, and update the populations with them."""
        scales = recurrent_norm.scale_C.value, cell_norm.scale_C.value, cell_norm.shift_C.value
        h_LBH, *moments = unroll(*start, NormParameters(*scales, shares(real_LB)[:, 0]))
        count_L = ops.sum(ops.cast(real_LB, "float32"), axis=1)
        for norm, mean_L1C, variance_L1C in ((recurrent_norm, *moments[:2]), (cell_norm, *moments[2:])):
            norm.populations[forward.problem].update(mean_L1C[:, 0], variance_L1C[:, 0], count_L, forward)
        return h_LBH

    def _with_population(self, recurrent_norm: StepNorm, cell_norm: StepNorm, start: Start, forward: Forward) -> Any:
        """Return h_1 to h_L, float32[L, B, H], by the statistics of the population."""
        x_LBG, h_BH, c_BH, recurrent_HG = start
        norms = recurrent_norm, cell_norm
        positions_L = ops.arange(ops.shape(x_LBG)[0])
        population = [norm.populations[forward.problem].at(positions_L) for norm in norms]

        def next_step(carry: Any, x_BG: Any) -> Any:
            h_BH, c_BH, position_1 = carry
            statistics = ([ops.take(of_LC, position_1, axis=0) for of_LC in pair] for pair in population)
            normalisers = (partial(norm, mean=m, variance=v) for norm, (m, v) in zip(norms, statistics, strict=True))
            step = advance(x_BG, h_BH, c_BH, recurrent_HG, *normalisers)
            carry = step.h_BH, step.c_BH, position_1 + 1
            return carry, carry

        h_LBH, *_ = ops.scan(next_step, (h_BH, c_BH, ops.zeros((1,), "int32")), x_LBG)[1]
        return h_LBH

    def initial_state(self, rows: Any, start_BH: Any = None) -> tuple[Any, Any]:
        """Return (h_0, c_0), float32[B, H] each. `start_BH`, if not None, is added to h_0."""
        h_BH, c_BH = (ops.zeros((rows, self.size)) + vector for vector in (self.first_hidden_H, self.first_cell_H))
        return (h_BH if start_BH is None else h_BH + ops.cast(start_BH, "float32")), c_BH

    def step(self, state: tuple[Any, Any], x_BD: Any, position: Any, problem: str) -> tuple[Any, tuple[Any, Any]]:
        """Compute one position, int32[] counted from 0, outside training. Return (h_t, the next state).

        A state is (h, c).
        """
        position_1 = ops.reshape(position, (1,))
        x_BG = ops.cast(ops.matmul(x_BD, self.input_DG), "float32")
        normalisers: list[Normaliser] = [identity, identity]
        if self.input_norm is not None and self.recurrent_norm is not None and self.cell_norm is not None:
            x_BG = self.input_norm(x_BG, *self.input_norm.populations[problem].at(position_1))
            norms = (self.recurrent_norm, self.cell_norm)
            pairs = ((norm, norm.populations[problem].at(position_1)) for norm in norms)
            normalisers = [partial(norm, mean=mean_1C, variance=variance_1C) for norm, (mean_1C, variance_1C) in pairs]
        x_BG = x_BG + self.shift_G.value
        step = advance(x_BG, *state, self.recurrent_HG.value, *normalisers)
        return ops.cast(step.h_BH, x_BD.dtype), (step.h_BH, step.c_BH)


def _identity_then_orthogonal(shape: tuple[int, int], dtype: Any = None) -> Any:
    """Return the initial matrix [I, Q], where Q has orthonormal rows."""
    size, width = shape
    orthogonal_HR = keras.initializers.Orthogonal()((size, width - size), dtype=dtype)
    return ops.concatenate([ops.eye(size, dtype=dtype), orthogonal_HR], axis=1)


def _initial_shift(shape: tuple[int], dtype: Any = None) -> Any:
    """Return the initial b: 1 for the forget gates, which are the second quarter, else 0."""
    return ops.convert_to_tensor(np.repeat([0.0, 1.0, 0.0, 0.0], shape[0] // 4), dtype=dtype)


def reversed_real(x_BLD: Any, real_BL: Any) -> Any:
    """Return each row with its real positions in reverse order. Padding stays in place, after them."""
    length_B1 = ops.sum(ops.cast(real_BL, "int32"), axis=1, keepdims=True)
    index_1L = ops.arange(ops.shape(x_BLD)[1])[None]
    index_BL = ops.where(index_1L < length_B1, length_B1 - 1 - index_1L, index_1L)
    return ops.take_along_axis(x_BLD, index_BL[..., None], axis=1)


def last_real(x_BLD: Any, real_BL: Any) -> Any:
    """Return the vector at each row's last real position, float[B, D]; at its first position if none is real."""
    length_B = ops.sum(ops.cast(real_BL, "int32"), axis=1)
    last_B11 = ops.maximum(length_B - 1, 0)[:, None, None]
    return ops.take_along_axis(x_BLD, last_B11, axis=1)[:, 0]
