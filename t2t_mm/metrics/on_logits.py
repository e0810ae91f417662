"""Teacher-forced metrics, computed inside an evaluation step from logits and labels.

With teacher forcing the logits of each target are conditioned on the right targets before it. A metric maps each
example to a short vector of sums. The sums of examples are added, and `finish` computes the figure from the total.
Class targets are sequences of length 1. B examples, T targets, V symbols or classes, K sums.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from keras import ops


@dataclass(frozen=True)
class Metric:
    """A teacher-forced metric.

    `sums` maps (logits_BTV float, labels_BT int, real_BT bool) to sums_BK, float32. `finish` maps sums_K to the figure.
    Only targets that the padding mask `real_BT` marks as real count; other labels may have any value. A row without a
    real target adds zeros.
    """

    sums: Callable[[Any, Any, Any], Any]
    finish: Callable[[Any], float]


def ratio(sums_K: Any) -> float:
    """Return the first sum divided by the second; NaN if the second is 0."""
    total, count = (float(value) for value in sums_K)
    return total / count if count else float("nan")


def bits(sums_K: Any) -> float:
    """Return bits per target from the sums of `neg_log_perplexity`: bits per character if each id is a character.

    arXiv 1603.09025 (section 5.3) and the published tables of PTB and text8 use this figure; lower is better. For
    subwords it would be bits per subword, so only problems of `Characters` have this metric.
    """
    return -ratio(sums_K) / math.log(2)


def neg_log_perplexity(logits_BTV: Any, labels_BT: Any, real_BT: Any) -> Any:
    """Return (log-likelihood in nats, number of real targets) of each row, as in T2T's utils/metrics.py.

    The figure is at most 0 per target; higher is better.
    """
    logits_BTV = ops.cast(logits_BTV, "float32")
    log_probs_BT = _picked(logits_BTV, labels_BT, real_BT) - ops.logsumexp(logits_BTV, axis=-1)
    return _per_target(log_probs_BT, real_BT)


def accuracy(logits_BTV: Any, labels_BT: Any, real_BT: Any) -> Any:
    """Return (number of targets with the highest logit, number of real targets) of each row.

    This is the paper's per-token accuracy, and top-1 accuracy for classes.
    """
    return _per_target(_right(logits_BTV, labels_BT), real_BT)


def accuracy_top5(logits_BTV: Any, labels_BT: Any, real_BT: Any) -> Any:
    """Return (number of targets with fewer than five higher logits, number of real targets) of each row.

    A NaN logit counts as higher.
    """
    picked_BT = _picked(logits_BTV, labels_BT, real_BT)
    higher_BTV = ops.logical_not(logits_BTV <= picked_BT[..., None])
    return _per_target(ops.sum(ops.cast(higher_BTV, "int32"), axis=-1) < 5, real_BT)


def accuracy_per_sequence(logits_BTV: Any, labels_BT: Any, real_BT: Any) -> Any:
    """Return (1 if each real target has the highest logit, else 0; 1 if there is a real target, else 0) of each row.

    This is the paper's "fully correct".
    """
    right_BT = ops.logical_or(_right(logits_BTV, labels_BT), ops.logical_not(real_BT))
    counted_B = ops.any(real_BT, axis=-1)
    all_right_B = ops.logical_and(ops.all(right_BT, axis=-1), counted_B)
    return ops.stack([ops.cast(all_right_B, "float32"), ops.cast(counted_B, "float32")], axis=-1)


def accuracy_of_first(logits_BTV: Any, labels_BT: Any, real_BT: Any) -> Any:
    """Return the sums of `accuracy` for each example's first target, such as BERT's next sentence prediction."""
    return accuracy(logits_BTV[:, :1], labels_BT[:, :1], real_BT[:, :1])


def accuracy_of_rest(logits_BTV: Any, labels_BT: Any, real_BT: Any) -> Any:
    """Return the sums of `accuracy` for all targets but the first, such as BERT's masked words."""
    return accuracy(logits_BTV[:, 1:], labels_BT[:, 1:], real_BT[:, 1:])


METRICS: dict[str, Metric] = {
    "neg_log_perplexity": Metric(neg_log_perplexity, ratio),
    "bits_per_character": Metric(neg_log_perplexity, bits),
    "accuracy": Metric(accuracy, ratio),
    "accuracy_per_sequence": Metric(accuracy_per_sequence, ratio),
    "accuracy_of_first": Metric(accuracy_of_first, ratio),
    "accuracy_of_rest": Metric(accuracy_of_rest, ratio),
    "accuracy_top5": Metric(accuracy_top5, ratio),
}


def _picked(logits_BTV: Any, labels_BT: Any, real_BT: Any) -> Any:
    """Return the logit of each label; that of symbol 0 at padding, where the label may be out of range."""
    safe_BT = ops.where(real_BT, labels_BT, ops.zeros_like(labels_BT))
    return ops.take_along_axis(logits_BTV, safe_BT[..., None], axis=-1)[..., 0]


def _right(logits_BTV: Any, labels_BT: Any) -> Any:
    """Return True for each target whose logit is the highest, bool[B, T]."""
    return ops.argmax(logits_BTV, axis=-1) == ops.cast(labels_BT, "int32")


def _per_target(values_BT: Any, real_BT: Any) -> Any:
    """Return (sum of `values_BT` over real targets, number of them) of each row.

    The mask is applied by `where` and not by a product, because padding may hold infinity.
    """
    kept_BT = ops.where(real_BT, ops.cast(values_BT, "float32"), 0.0)
    return ops.stack([ops.sum(kept_BT, axis=-1), ops.sum(ops.cast(real_BT, "float32"), axis=-1)], axis=-1)
