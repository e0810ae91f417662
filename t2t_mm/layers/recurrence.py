"""One step of an LSTM, and the LSTM over a sequence with its gradient in closed form (arXiv 1603.09025, section 3).

B examples, L positions, H units, G = 4 H gate inputs in the order g, f, i, o.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from keras import ops, tree

from t2t_mm.layers.step_norm import EPSILON, statistics

Normaliser = Callable[[Any], Any]  # float32[B, C] to the same shape


class LstmStep(NamedTuple):
    """The state and the gates of an LSTM at one step, all float32."""

    h_BH: Any
    c_BH: Any
    gates_BG: Any  # tanh(g~), then sigmoid of f~, i~ and o~
    shown_BH: Any  # tanh(BN(c))


class NormParameters(NamedTuple):
    """The additional inputs of a batch-normalised LSTM: scales, a shift, and each row's weight in the statistics."""

    recurrent_scale_G: Any
    cell_scale_H: Any
    cell_shift_H: Any
    share_LB: Any  # 1 / n for each of the n real rows of a step, else 0


def advance(
    x_BG: Any, h_BH: Any, c_BH: Any, recurrent_HG: Any, normalise_recurrent: Normaliser, normalise_cell: Normaliser
) -> LstmStep:
    """Return the next step of the LSTM.

    Args:
        x_BG: the input's part of the gate inputs.
        h_BH, c_BH: the state before this step.
        recurrent_HG: W_h.
        normalise_recurrent, normalise_cell: the normalisation of W_h h and of c.
    """
    from_past_BG = ops.cast(ops.matmul(ops.cast(h_BH, recurrent_HG.dtype), recurrent_HG), "float32")
    raw_BG = x_BG + normalise_recurrent(from_past_BG)
    size = h_BH.shape[-1]
    new_BH, open_BR = ops.tanh(raw_BG[:, :size]), ops.sigmoid(raw_BG[:, size:])
    forget_BH, write_BH, show_BH = ops.split(open_BR, 3, axis=-1)
    c_BH = forget_BH * c_BH + write_BH * new_BH
    shown_BH = ops.tanh(normalise_cell(c_BH))
    return LstmStep(show_BH * shown_BH, c_BH, ops.concatenate([new_BH, open_BR], axis=-1), shown_BH)


def identity(x: Any) -> Any:
    """Return `x` without normalisation."""
    return x


def unroll(x_LBG: Any, h_BH: Any, c_BH: Any, recurrent_HG: Any, norms: NormParameters | None) -> tuple[Any, ...]:
    """Run the LSTM over all positions from h_0 and c_0, in training.

    Return h_1 to h_L, float32[L, B, H]. With `norms`, also return mean and variance of W_h h, float32[L, 1, G] each,
    and of c, float32[L, 1, H] each; these have no gradient. The gradient of the rest is in closed form: automatic
    differentiation of a scan stores and reads back every intermediate value, and takes over twice as long.
    """
    return tuple(_unroll(x_LBG, h_BH, c_BH, recurrent_HG, *(norms or ())))


def at(x_LBC: Any, t: Any) -> Any:
    """Return the entry at position `t`, int32[]."""
    return ops.take(x_LBC, t, axis=0)


@ops.custom_gradient
def _unroll(x_LBG: Any, h_BH: Any, c_BH: Any, recurrent_HG: Any, *norms: Any) -> Any:
    parameters = NormParameters(*norms) if norms else None
    positions_L = ops.arange(ops.shape(x_LBG)[0])
    rows, size = ops.shape(h_BH)[0], h_BH.shape[-1]

    def forward(carry: Any, t: Any) -> Any:
        step = carry[0]
        standard: list[Any] = []  # for W_h h, then for c: (standardised, 1 / deviation, mean, variance)

        def normaliser(scale: Any, shift: Any, share_1B: Any) -> Normaliser:
            def normalise(x_BC: Any) -> Any:
                mean_1C, variance_1C = statistics(x_BC, share_1B)
                inverse_1C = ops.rsqrt(variance_1C + EPSILON)
                standard.append(((x_BC - mean_1C) * inverse_1C, inverse_1C, mean_1C, variance_1C))
                return standard[-1][0] * scale + shift

            return normalise

        normalisers: tuple[Normaliser, Normaliser] = (identity, identity)
        if parameters is not None:
            share_1B = at(parameters.share_LB, t)[None]
            of_cell = normaliser(parameters.cell_scale_H, parameters.cell_shift_H, share_1B)
            normalisers = normaliser(parameters.recurrent_scale_G, 0.0, share_1B), of_cell
        carry = advance(at(x_LBG, t), step.h_BH, step.c_BH, recurrent_HG, *normalisers), *standard
        return carry, carry

    start = LstmStep(h_BH, c_BH, ops.zeros((rows, 4 * size)), ops.zeros((rows, size)))
    widths = (4 * size, size) if parameters is not None else ()
    empty = [(ops.zeros((rows, width)), *(ops.zeros((1, width)),) * 3) for width in widths]
    _, (steps, *standard) = ops.scan(forward, (start, *empty), positions_L)
    past_h_LBH, past_c_LBH = (
        ops.concatenate([first_BH[None], next_LBH[:-1]], axis=0)
        for first_BH, next_LBH in ((h_BH, steps.h_BH), (c_BH, steps.c_BH))
    )

    def backward(carry: Any, t: Any, to_h_LBH: Any) -> Any:
        """Return the gradients of h_(t-1), c_(t-1), the gates, W_h h and BN(c), from those of h_t and c_t."""
        to_h_BH, to_c_BH = carry[0] + at(to_h_LBH, t), carry[1]
        new_BH, forget_BH, write_BH, show_BH = ops.split(at(steps.gates_BG, t), 4, axis=-1)
        shown_BH = at(steps.shown_BH, t)
        to_cell_BH = to_h_BH * show_BH * (1.0 - ops.square(shown_BH))
        to_c_BH = to_c_BH + standardised_back(to_cell_BH, 1, t)
        to_raw_BG = ops.concatenate(
            [
                to_c_BH * write_BH * (1.0 - ops.square(new_BH)),
                to_c_BH * at(past_c_LBH, t) * forget_BH * (1.0 - forget_BH),
                to_c_BH * new_BH * write_BH * (1.0 - write_BH),
                to_h_BH * shown_BH * show_BH * (1.0 - show_BH),
            ],
            axis=-1,
        )
        to_past_BG = standardised_back(to_raw_BG, 0, t)
        to_past_BG = ops.cast(to_past_BG, recurrent_HG.dtype)
        to_h_BH = ops.cast(ops.matmul(to_past_BG, ops.transpose(recurrent_HG)), "float32")
        carry = to_h_BH, to_c_BH * forget_BH, to_raw_BG, to_past_BG, to_cell_BH
        return carry, carry

    def standardised_back(to_BC: Any, which: int, t: Any) -> Any:
        """Return the gradient of the input of a norm, from that of its output scale * standardised + shift.

        `which` is 0 for W_h h, 1 for c.
        """
        if parameters is None:
            return to_BC
        standard_BC, inverse_1C = at(standard[which][0], t), at(standard[which][1], t)
        to_BC = to_BC * (parameters.recurrent_scale_G, parameters.cell_scale_H)[which]
        share_B1 = at(parameters.share_LB, t)[:, None]
        along_1C = ops.sum(to_BC * standard_BC, axis=0, keepdims=True)
        mean_1C = ops.sum(to_BC, axis=0, keepdims=True)
        return inverse_1C * (to_BC - share_B1 * (mean_1C + standard_BC * along_1C))

    def gradient(*args: Any, upstream: Any = None) -> tuple[Any, ...]:
        to_h_LBH = tree.flatten(args if upstream is None else upstream)[0]
        to_BH, to_BG = ops.zeros((rows, size)), ops.zeros((rows, 4 * size))
        start = (to_BH, to_BH, to_BG, ops.cast(to_BG, recurrent_HG.dtype), to_BH)
        ends, outputs = ops.scan(lambda carry, t: backward(carry, t, to_h_LBH), start, positions_L, reverse=True)
        _, _, to_raw_LBG, to_past_LBG, to_cell_LBH = outputs
        past_NH = ops.cast(ops.reshape(past_h_LBH, (-1, size)), recurrent_HG.dtype)
        to_recurrent_HG = ops.matmul(ops.transpose(past_NH), ops.reshape(to_past_LBG, (-1, 4 * size)))
        gradients = (to_raw_LBG, ends[0], ends[1], to_recurrent_HG)
        if parameters is None:
            return gradients
        (past_standard_LBG, *_), (cell_standard_LBH, *_) = standard
        return (
            *gradients,
            ops.sum(to_raw_LBG * past_standard_LBG, axis=(0, 1)),
            ops.sum(to_cell_LBH * cell_standard_LBH, axis=(0, 1)),
            ops.sum(to_cell_LBH, axis=(0, 1)),
            ops.zeros_like(parameters.share_LB),
        )

    return (steps.h_BH, *(statistic for _, _, *both in standard for statistic in both)), gradient
