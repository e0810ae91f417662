"""Metrics computed inside an evaluation step, from logits and labels with the right past given ("teacher forcing").

A metric maps each example to a short vector of sums; the sums of any number of examples add up, and `finish` turns them
into the figure. Class targets come as sequences of length 1. B examples, T targets, V symbols or classes, K sums.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from keras import ops


@dataclass(frozen=True)
class Metric:
    """`sums`: (logits_BTV float, labels_BT int, real_BT bool) -> sums_BK float32; `finish`: sums_K -> the figure.

    Only targets marked real count; labels elsewhere may hold anything. A row without a real target adds zeros.
    """

    sums: Callable[[Any, Any, Any], Any]
    finish: Callable[[Any], float]


def ratio(sums_K: Any) -> float:
    """The first sum per unit of the second; NaN where nothing was counted."""
    total, count = (float(value) for value in sums_K)
    return total / count if count else float("nan")


def bits(sums_K: Any) -> float:
    """`neg_log_perplexity`'s sums as bits a target, which are bits per character where each id is a character.

    So arXiv 1603.09025 (section 5.3) and tables of PTB and text8 give them; lower is better. Of subwords it would be
    bits per subword, so only problems of `Characters` name this metric.
    """
    return -ratio(sums_K) / math.log(2)


def neg_log_perplexity(logits_BTV: Any, labels_BT: Any, real_BT: Any) -> Any:
    """(log-likelihood in nats, real targets): at most 0 per target, higher is better. T2T's utils/metrics.py."""
    logits_BTV = ops.cast(logits_BTV, "float32")
    log_probs_BT = _picked(logits_BTV, labels_BT, real_BT) - ops.logsumexp(logits_BTV, axis=-1)
    return _per_target(log_probs_BT, real_BT)


def accuracy(logits_BTV: Any, labels_BT: Any, real_BT: Any) -> Any:
    """(targets that score highest, real targets): the paper's per-token accuracy; top-1 for classes."""
    return _per_target(_right(logits_BTV, labels_BT), real_BT)


def accuracy_top5(logits_BTV: Any, labels_BT: Any, real_BT: Any) -> Any:
    """(targets that fewer than five others outscore, real targets). A logit that is no number counts as higher."""
    picked_BT = _picked(logits_BTV, labels_BT, real_BT)
    higher_BTV = ops.logical_not(logits_BTV <= picked_BT[..., None])
    return _per_target(ops.sum(ops.cast(higher_BTV, "int32"), axis=-1) < 5, real_BT)


def accuracy_per_sequence(logits_BTV: Any, labels_BT: Any, real_BT: Any) -> Any:
    """(sequences whose every real target scores highest, sequences): the paper's "fully correct"."""
    right_BT = ops.logical_or(_right(logits_BTV, labels_BT), ops.logical_not(real_BT))
    counted_B = ops.any(real_BT, axis=-1)
    whole_B = ops.logical_and(ops.all(right_BT, axis=-1), counted_B)
    return ops.stack([ops.cast(whole_B, "float32"), ops.cast(counted_B, "float32")], axis=-1)


def accuracy_of_first(logits_BTV: Any, labels_BT: Any, real_BT: Any) -> Any:
    """`accuracy` of each example's first target alone: whether a sentence is the next, where words follow."""
    return accuracy(logits_BTV[:, :1], labels_BT[:, :1], real_BT[:, :1])


def accuracy_of_rest(logits_BTV: Any, labels_BT: Any, real_BT: Any) -> Any:
    """`accuracy` of the targets but the first: the words that were masked."""
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
    """The logit of each label; of symbol 0 where there is no real one, whose label may be out of range."""
    safe_BT = ops.where(real_BT, labels_BT, ops.zeros_like(labels_BT))
    return ops.take_along_axis(logits_BTV, safe_BT[..., None], axis=-1)[..., 0]


def _right(logits_BTV: Any, labels_BT: Any) -> Any:
    return ops.argmax(logits_BTV, axis=-1) == ops.cast(labels_BT, "int32")


def _per_target(values_BT: Any, real_BT: Any) -> Any:
    """(sum of `values_BT` over real targets, number of them) by row. Not by a product: a pad may hold infinity."""
    kept_BT = ops.where(real_BT, ops.cast(values_BT, "float32"), 0.0)
    return ops.stack([ops.sum(kept_BT, axis=-1), ops.sum(ops.cast(real_BT, "float32"), axis=-1)], axis=-1)
