"""Depthwise convolution along a sequence, in the formulation that is fastest on each backend.

TensorFlow's CPU has a native kernel; dilation is a reshape, since every d-th position of a row becomes a column of a
picture that is d wide. XLA's CPU convolution is 8 to 13 times slower than adding shifted copies, so elsewhere the taps
are shifted and added. Both give the same values and gradients (tests/layers/test_depthwise.py).
"""

from typing import Any

import keras
from keras import ops

MANY = 8  # taps: from here on TensorFlow's gradient to the input takes up to four times as long as its forward kernel


def depthwise_conv1d(x_BLD: Any, taps_KD: Any, *, dilation: int = 1, causal: bool = False) -> Any:
    """Each channel convolved with its own K taps: float[B, L, D] to float[B, L, D].

    Output position t sums taps_KD[j] * x[t + (j - K + 1) * dilation] when causal, and is centred on t
    otherwise (K odd); positions outside the sequence count as zero.
    """
    reach = (taps_KD.shape[0] - 1) * dilation
    before = reach if causal else reach // 2
    kernel = _native if keras.backend.backend() == "tensorflow" else shifted
    return kernel(x_BLD, taps_KD, dilation, before, reach - before)


def _native(x_BLD: Any, taps_KD: Any, dilation: int, before: int, after: int) -> Any:
    import tensorflow as tf

    length, width = tf.shape(x_BLD)[1], x_BLD.shape[-1]
    filled = tf.pad(x_BLD, [[0, 0], [0, -length % dilation], [0, 0]]) if dilation > 1 else x_BLD  # whole rows
    picture_BHWD = tf.reshape(filled, [tf.shape(x_BLD)[0], -1, dilation, width])
    out_BHWD = _down_columns(picture_BHWD, taps_KD, before // dilation, after // dilation)
    out_BLD = tf.reshape(out_BHWD, [tf.shape(x_BLD)[0], -1, width])
    return tf.ensure_shape(out_BLD[:, :length] if dilation > 1 else out_BLD, x_BLD.shape)


def _down_columns(picture_BHWD: Any, taps_KD: Any, before: int, after: int) -> Any:
    """Each column of a picture convolved with the taps, zeros around it; many taps go back by the forward kernel."""
    import tensorflow as tf

    def convolved(picture: Any, taps: Any, above: int, below: int) -> Any:
        # The kernel pads as it reads: cheaper than a padded copy, whose gradient is one more.
        around = [[0, 0], [above, below], [0, 0], [0, 0]]
        return tf.nn.depthwise_conv2d(picture, tf.reshape(taps, [taps.shape[0], 1, -1, 1]), [1, 1, 1, 1], around)

    @tf.custom_gradient
    def convolve(picture: Any, taps: Any) -> Any:
        def gradient(g_BHWD: Any) -> tuple[Any, Any]:
            dtaps = tf.raw_ops.DepthwiseConv2dNativeBackpropFilter(
                input=picture,
                filter_sizes=[taps.shape[0], 1, taps.shape[1], 1],
                out_backprop=g_BHWD,
                strides=[1, 1, 1, 1],
                padding="EXPLICIT",
                explicit_paddings=[0, 0, before, after, 0, 0, 0, 0],
            )
            return convolved(g_BHWD, tf.reverse(taps, [0]), after, before), tf.reshape(dtaps, taps.shape)

        return convolved(picture, taps, before, after), gradient

    taps_KD = tf.convert_to_tensor(taps_KD)
    if taps_KD.shape[0] < MANY:
        return convolved(picture_BHWD, taps_KD, before, after)
    return convolve(picture_BHWD, taps_KD)


def shifted(x_BLD: Any, taps_KD: Any, dilation: int, before: int, after: int) -> Any:
    """The same by shift and add, with the gradient written likewise."""
    count = taps_KD.shape[0]

    def windows(padded: Any, length: int) -> list[Any]:
        return [padded[:, j * dilation : j * dilation + length] for j in range(count)]

    @ops.custom_gradient
    def convolve(x: Any, taps: Any) -> Any:
        length = ops.shape(x)[1]
        padded = ops.pad(x, [[0, 0], [before, after], [0, 0]])
        out = sum(window * taps[j] for j, window in enumerate(windows(padded, length)))

        def gradient(*args: Any, upstream: Any = None) -> tuple[Any, Any]:
            g = args[0] if upstream is None else upstream
            g_padded = ops.pad(g, [[0, 0], [after, before], [0, 0]])
            dx = sum(window * taps[count - 1 - j] for j, window in enumerate(windows(g_padded, length)))
            dtaps = ops.stack([ops.sum(window * g, axis=(0, 1)) for window in windows(padded, length)])
            return dx, dtaps

        return out, gradient

    return convolve(x_BLD, taps_KD)
