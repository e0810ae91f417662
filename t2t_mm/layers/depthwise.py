"""Depthwise convolution along a sequence, dilated or not, in the formulation that is fastest on each backend.

TensorFlow has a native CPU kernel. There, dilation is a reshape: the row becomes an image of width d, the dilation, so
that every d-th position falls into one column. XLA's CPU convolution is 8 to 13 times slower than a sum of shifted
copies, so other backends shift and add. Both give the same values and gradients (tests/layers/test_depthwise.py).
"""

from typing import Any

import keras
from keras import ops

# From this number of taps on, TensorFlow's gradient to the input takes up to four times as long as its forward kernel.
CUSTOM_GRADIENT_TAPS = 8


def depthwise_conv1d(x_BLD: Any, taps_KD: Any, *, dilation: int = 1, causal: bool = False) -> Any:
    """Convolve each channel with its own K taps: float[B, L, D] to float[B, L, D].

    If causal, output position t is the sum over j of taps_KD[j] * x[t + (j - K + 1) * dilation]. Otherwise the window
    is centred on t (K is odd). Positions outside the sequence count as zero.
    """
    reach = (taps_KD.shape[0] - 1) * dilation
    before = reach if causal else reach // 2
    kernel = _native if keras.backend.backend() == "tensorflow" else shift_and_add
    return kernel(x_BLD, taps_KD, dilation, before, reach - before)


def _native(x_BLD: Any, taps_KD: Any, dilation: int, before: int, after: int) -> Any:
    import tensorflow as tf

    length, width = tf.shape(x_BLD)[1], x_BLD.shape[-1]
    padded = tf.pad(x_BLD, [[0, 0], [0, -length % dilation], [0, 0]]) if dilation > 1 else x_BLD  # to complete rows
    image_BHWD = tf.reshape(padded, [tf.shape(x_BLD)[0], -1, dilation, width])
    out_BHWD = _down_columns(image_BHWD, taps_KD, before // dilation, after // dilation)
    out_BLD = tf.reshape(out_BHWD, [tf.shape(x_BLD)[0], -1, width])
    return tf.ensure_shape(out_BLD[:, :length] if dilation > 1 else out_BLD, x_BLD.shape)


def _down_columns(image_BHWD: Any, taps_KD: Any, before: int, after: int) -> Any:
    """Convolve each column of an image with the taps, with zeros around it.

    With many taps, the forward kernel computes the gradient to the input too.
    """
    import tensorflow as tf

    def convolved(image: Any, taps: Any, above: int, below: int) -> Any:
        # The kernel itself pads. This is cheaper than a padded copy, whose gradient would be another copy.
        padding = [[0, 0], [above, below], [0, 0], [0, 0]]
        return tf.nn.depthwise_conv2d(image, tf.reshape(taps, [taps.shape[0], 1, -1, 1]), [1, 1, 1, 1], padding)

    @tf.custom_gradient
    def convolve(image: Any, taps: Any) -> Any:
        def gradient(g_BHWD: Any) -> tuple[Any, Any]:
            dtaps = tf.raw_ops.DepthwiseConv2dNativeBackpropFilter(
                input=image,
                filter_sizes=[taps.shape[0], 1, taps.shape[1], 1],
                out_backprop=g_BHWD,
                strides=[1, 1, 1, 1],
                padding="EXPLICIT",
                explicit_paddings=[0, 0, before, after, 0, 0, 0, 0],
            )
            return convolved(g_BHWD, tf.reverse(taps, [0]), after, before), tf.reshape(dtaps, taps.shape)

        return convolved(image, taps, before, after), gradient

    taps_KD = tf.convert_to_tensor(taps_KD)
    if taps_KD.shape[0] < CUSTOM_GRADIENT_TAPS:
        return convolved(image_BHWD, taps_KD, before, after)
    return convolve(image_BHWD, taps_KD)


def shift_and_add(x_BLD: Any, taps_KD: Any, dilation: int, before: int, after: int) -> Any:
    """Compute the same convolution, and its gradient, as a sum of shifted copies."""
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
