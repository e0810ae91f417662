"""Self-attention with relative positions: by content and by distance (Dai et al. 2019, arXiv 1901.02860, section 3.3).

B examples, L positions, D channels, N heads of K channels each, R = 2 L - 1 distances.
"""

from typing import Any

from keras import ops

from t2t_mm.layers.activations import softmax
from t2t_mm.layers.dropout import dropout
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.layer import Layer
from t2t_mm.layers.positions import timing_signal
from t2t_mm.layers.sequence import MASKED_SCORE


class RelativeSelfAttention(Layer):
    """Multi-head self-attention with relative positions; every position attends to all real ones.

    The score of position j for position i is

        ((q_i + u) . k_j + (q_i + v) . (R_{i-j} W_R)) / sqrt(K)

    where R_{i-j} holds sines and cosines of the signed distance and W_R is learned. u and v are learned for each head
    and start at zero.
    """

    def __init__(self, *, heads: int, dropout: float, name: str) -> None:
        super().__init__(name=name)
        self.heads, self.dropout = heads, dropout

    def build(self, width: int) -> None:
        def projection(name: str) -> Any:
            return self.add_weight(shape=(width, width), initializer="glorot_uniform", name=name)

        def bias(name: str) -> Any:
            return self.add_weight(shape=(self.heads, width // self.heads), initializer="zeros", name=name)

        self.query_DD, self.key_DD, self.value_DD = projection("query"), projection("key"), projection("value")
        self.distance_DD, self.output_DD = projection("distance"), projection("output")
        self.content_NK, self.distance_NK = bias("content_bias"), bias("distance_bias")

    def call(self, x_BLD: Any, real_BL: Any, forward: Forward) -> Any:
        """Map float[B, L, D] to float[B, L, D]. `real_BL` is the padding mask, True for real positions."""
        length, width = ops.shape(x_BLD)[1], x_BLD.shape[-1]
        signal_RD = ops.cast(timing_signal(length - 1 - ops.arange(2 * length - 1), width), x_BLD.dtype)
        distance_NKR = ops.transpose(self._split(ops.matmul(signal_RD, self.distance_DD)[None])[0], (0, 2, 1))
        q_BNLK, k_BNLK, v_BNLK = (
            self._split(ops.matmul(x_BLD, w)) for w in (self.query_DD, self.key_DD, self.value_DD)
        )
        q_BNLK = q_BNLK * q_BNLK.shape[-1] ** -0.5
        u_NK, v_NK = (bias_NK * bias_NK.shape[-1] ** -0.5 for bias_NK in (self.content_NK, self.distance_NK))
        by_content_BNLL = ops.matmul(q_BNLK + u_NK[:, None], ops.transpose(k_BNLK, (0, 1, 3, 2)))
        by_distance_BNLL = shifted(ops.matmul(q_BNLK + v_NK[:, None], distance_NKR))
        scores_BNLL = ops.cast(by_content_BNLL + by_distance_BNLL, "float32")
        weights_BNLL = softmax(scores_BNLL + ops.where(real_BL[:, None, None, :], 0.0, MASKED_SCORE))
        weights_BNLL = dropout(ops.cast(weights_BNLL, x_BLD.dtype), self.dropout, forward, self.path)
        context_BLNK = ops.transpose(ops.matmul(weights_BNLL, v_BNLK), (0, 2, 1, 3))
        return ops.matmul(ops.reshape(context_BLNK, ops.shape(x_BLD)), self.output_DD)

    def _split(self, x_BLD: Any) -> Any:
        """Split the channels into heads: float[B, L, D] to float[B, N, L, K]."""
        shape = ops.shape(x_BLD)
        x_BLNK = ops.reshape(x_BLD, (shape[0], shape[1], self.heads, x_BLD.shape[-1] // self.heads))
        return ops.transpose(x_BLNK, (0, 2, 1, 3))


def shifted(x_BNLR: Any) -> Any:
    """Align scores by distance with scores by position: float[B, N, L, R] to float[B, N, L, L].

    Column r of the input has the distance L - 1 - r; entry (i, j) of the result has the distance i - j. So row i needs
    the L columns from L - 1 - i on. After one column is put before each row and all rows are concatenated, these begin
    at place L + i * R.
    """
    rows, heads, length, distances = ops.shape(x_BNLR)
    x = ops.pad(x_BNLR, [[0, 0], [0, 0], [0, 0], [1, 0]])
    x = ops.reshape(x, (rows, heads, length * (distances + 1)))[:, :, length:]
    return ops.reshape(x, (rows, heads, length, distances))[..., :length]
