"""What an LSTM does from moment to moment, and over whole sequences with its gradient (arXiv 1603.09025, section 3).

B examples, L positions, H units, G = 4 H numbers that the gates are made from, in the order g, f, i, o.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from keras import ops, tree

from t2t_mm.layers.step_norm import EPSILON, statistics

Normal = Callable[[Any], Any]  # float32[B, C] to the same shape


class Moment(NamedTuple):
    """An LSTM at one moment, all float32."""

    h_BH: Any
    c_BH: Any
    gates_BG: Any  # tanh(g~), then sigmoid of f~, i~ and o~
    shown_BH: Any  # tanh(BN(c))


class Norms(NamedTuple):
    """What a batch-normalised recurrence has beside: scales, a shift, and each row's share in a step's statistics."""

    recurrent_scale_G: Any
    cell_scale_H: Any
    cell_shift_H: Any
    share_LB: Any  # 1 / n for each of the n real rows of a step, else 0


def advance(
    x_BG: Any, h_BH: Any, c_BH: Any, recurrent_HG: Any, recurrent_normal: Normal, cell_normal: Normal
) -> Moment:
    """The next moment, given what the input brings to the gates and how W_h h and c are normalised."""
    from_past_BG = ops.cast(ops.matmul(ops.cast(h_BH, recurrent_HG.dtype), recurrent_HG), "float32")
    raw_BG = x_BG + recurrent_normal(from_past_BG)
    size = h_BH.shape[-1]
    new_BH, open_BR = ops.tanh(raw_BG[:, :size]), ops.sigmoid(raw_BG[:, size:])
    forget_BH, write_BH, show_BH = ops.split(open_BR, 3, axis=-1)
    c_BH = forget_BH * c_BH + write_BH * new_BH
    shown_BH = ops.tanh(cell_normal(c_BH))
    return Moment(show_BH * shown_BH, c_BH, ops.concatenate([new_BH, open_BR], axis=-1), shown_BH)


def same(x: Any) -> Any:
    """No normalisation."""
    return x


def recur(x_LBG: Any, h_BH: Any, c_BH: Any, recurrent_HG: Any, norms: Norms | None) -> tuple[Any, ...]:
    """Run over all positions from h_0 and c_0, in training.

    Returns h_1 to h_L, float32[L, B, H]; with `norms` also mean and variance of W_h h, float32[L, 1, G], and those of
    c, float32[L, 1, H], which have no gradient. The gradient is in closed form: a scan that is traced back keeps and
    fetches every intermediate value, and takes over twice as long.
    """
    return tuple(_recur(x_LBG, h_BH, c_BH, recurrent_HG, *(norms or ())))


def at(x_LBC: Any, t: Any) -> Any:
    """What stands at position `t`, int32[]."""
    return ops.take(x_LBC, t, axis=0)


@ops.custom_gradient
def _recur(x_LBG: Any, h_BH: Any, c_BH: Any, recurrent_HG: Any, *norms: Any) -> Any:
    normed = Norms(*norms) if norms else None
    positions_L = ops.arange(ops.shape(x_LBG)[0])
    rows, size = ops.shape(h_BH)[0], h_BH.shape[-1]

    def forward(carry: Any, t: Any) -> Any:
        moment = carry[0]
        standard: list[Any] = []  # of W_h h, then of c: (standardised, 1 / deviation, mean, variance)

        def with_own(scale: Any, shift: Any, share_1B: Any) -> Normal:
            def normal(x_BC: Any) -> Any:
                mean_1C, variance_1C = statistics(x_BC, share_1B)
                inverse_1C = ops.rsqrt(variance_1C + EPSILON)
                standard.append(((x_BC - mean_1C) * inverse_1C, inverse_1C, mean_1C, variance_1C))
                return standard[-1][0] * scale + shift

            return normal

        normals: tuple[Normal, Normal] = (same, same)
        if normed is not None:
            share_1B = at(normed.share_LB, t)[None]
            of_cell = with_own(normed.cell_scale_H, normed.cell_shift_H, share_1B)
            normals = with_own(normed.recurrent_scale_G, 0.0, share_1B), of_cell
        carry = advance(at(x_LBG, t), moment.h_BH, moment.c_BH, recurrent_HG, *normals), *standard
        return carry, carry

    blank = Moment(h_BH, c_BH, ops.zeros((rows, 4 * size)), ops.zeros((rows, size)))
    widths = (4 * size, size) if normed is not None else ()
    nothing = [(ops.zeros((rows, width)), *(ops.zeros((1, width)),) * 3) for width in widths]
    _, (moments, *standard) = ops.scan(forward, (blank, *nothing), positions_L)
    past_h_LBH, past_c_LBH = (
        ops.concatenate([first_BH[None], later_LBH[:-1]], axis=0)
        for first_BH, later_LBH in ((h_BH, moments.h_BH), (c_BH, moments.c_BH))
    )

    def backward(carry: Any, t: Any, to_h_LBH: Any) -> Any:
        """From the gradients of h_t and c_t to those of h_(t-1), c_(t-1), of the gates, of W_h h and of BN(c)."""
        to_h_BH, to_c_BH = carry[0] + at(to_h_LBH, t), carry[1]
        new_BH, forget_BH, write_BH, show_BH = ops.split(at(moments.gates_BG, t), 4, axis=-1)
        shown_BH = at(moments.shown_BH, t)
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
        """The gradient of what was normalised, given that of scale * standardised + shift."""
        if normed is None:
            return to_BC
        standard_BC, inverse_1C = at(standard[which][0], t), at(standard[which][1], t)
        to_BC = to_BC * (normed.recurrent_scale_G, normed.cell_scale_H)[which]
        share_B1 = at(normed.share_LB, t)[:, None]
        along_1C = ops.sum(to_BC * standard_BC, axis=0, keepdims=True)
        mean_1C = ops.sum(to_BC, axis=0, keepdims=True)
        return inverse_1C * (to_BC - share_B1 * (mean_1C + standard_BC * along_1C))

    def gradient(*args: Any, upstream: Any = None) -> tuple[Any, ...]:
        to_h_LBH = tree.flatten(args if upstream is None else upstream)[0]
        to_BH, to_BG = ops.zeros((rows, size)), ops.zeros((rows, 4 * size))
        start = (to_BH, to_BH, to_BG, ops.cast(to_BG, recurrent_HG.dtype), to_BH)
        ends, found = ops.scan(lambda carry, t: backward(carry, t, to_h_LBH), start, positions_L, reverse=True)
        _, _, to_raw_LBG, to_past_LBG, to_cell_LBH = found
        past_NH = ops.cast(ops.reshape(past_h_LBH, (-1, size)), recurrent_HG.dtype)
        to_recurrent_HG = ops.matmul(ops.transpose(past_NH), ops.reshape(to_past_LBG, (-1, 4 * size)))
        gradients = (to_raw_LBG, ends[0], ends[1], to_recurrent_HG)
        if normed is None:
            return gradients
        (past_standard_LBG, *_), (cell_standard_LBH, *_) = standard
        return (
            *gradients,
            ops.sum(to_raw_LBG * past_standard_LBG, axis=(0, 1)),
            ops.sum(to_cell_LBH * cell_standard_LBH, axis=(0, 1)),
            ops.sum(to_cell_LBH, axis=(0, 1)),
            ops.zeros_like(normed.share_LB),
        )

    return (moments.h_BH, *(statistic for _, _, *both in standard for statistic in both)), gradient
