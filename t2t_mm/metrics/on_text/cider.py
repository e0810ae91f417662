"""CIDEr-D of captions (Vedantam et al. 2015, arXiv 1411.5726, sections 4 and 5.2), as pycocoevalcap counts it.

The weight of an n-gram of 1 to 4 words is its count times log(examples / examples with a reference that contains it).
The similarity of a caption to a reference is the cosine of their weights, where the weight of an n-gram of the caption
is clipped to that in the reference, times exp(-(difference in length)^2 / (2 sigma^2)). Length is counted in word
bigrams, as in pycocoevalcap. A caption's score is ten times the mean over the four orders and over its references.
Weights depend on all examples of the evaluation: fewer examples give poorer weights, and with one every score is 0.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from t2t_mm.metrics.on_text.base import PLAIN, Case, Counted, TextMetric, ratio
from t2t_mm.metrics.on_text.captions import words
from t2t_mm.registry import DECODED_METRICS

ORDERS = 4
SIGMA = 6.0

Grams = Counter[tuple[str, ...]]


@DECODED_METRICS.register
class Cider(TextMetric):
    """CIDEr-D of captions, 0 to 10: similarity to the references, by n-grams that distinguish images."""

    head = "CIDEr"
    style = PLAIN

    def count(self, cases: Sequence[Case]) -> Counted:
        references = [[_grams(text) for text in case.references] for case in cases]
        examples = Counter(gram for grams in references for gram in set().union(*grams))
        scores = []
        for case, grams in zip(cases, references, strict=True):
            output = _weighted(_grams(case.output), examples, len(cases))
            similarity = [_similarity(output, _weighted(one, examples, len(cases))) for one in grams]
            scores.append([10.0 * sum(similarity) / len(similarity), 1.0])
        how = f"CIDEr-D as pycocoevalcap, n-grams weighed by the {len(cases):,} examples' references"
        return Counted(np.array(scores, np.float64).reshape(-1, 2), how)

    def finish(self, sums_K: np.ndarray) -> float:
        return ratio(sums_K)


@dataclass(frozen=True)
class _Weighted:
    """The weights of a caption's n-grams, by order from 1."""

    weights: tuple[dict[tuple[str, ...], float], ...]
    norms: tuple[float, ...]
    bigrams: int  # the length of the caption in bigrams


def _grams(caption: str) -> Grams:
    """Return the counts of the caption's n-grams of all orders."""
    tokens = words(caption)
    return Counter(tuple(tokens[i : i + n]) for n in range(1, ORDERS + 1) for i in range(len(tokens) - n + 1))


def _weighted(grams: Grams, examples: Counter[tuple[str, ...]], count: int) -> _Weighted:
    """Return the weights of n-grams; `examples` is the number of the `count` examples whose references have each."""
    weights: list[dict[tuple[str, ...], float]] = [{} for _ in range(ORDERS)]
    for gram, times in grams.items():
        weights[len(gram) - 1][gram] = times * (math.log(count) - math.log(max(1, examples[gram])))
    norms = tuple(math.sqrt(sum(weight * weight for weight in order.values())) for order in weights)
    return _Weighted(tuple(weights), norms, sum(times for gram, times in grams.items() if len(gram) == 2))


def _similarity(output: _Weighted, reference: _Weighted) -> float:
    """Return the similarity, 0 to 1: the mean over the orders of the clipped cosine, times the length factor."""
    total = 0.0
    for order in range(ORDERS):
        ours, theirs = output.weights[order], reference.weights[order]
        common = sum(min(ours[gram], theirs[gram]) * theirs[gram] for gram in ours if gram in theirs)
        norms = output.norms[order] * reference.norms[order]
        total += common / norms if norms else 0.0
    return total / ORDERS * math.exp(-((output.bigrams - reference.bigrams) ** 2) / (2 * SIGMA**2))
