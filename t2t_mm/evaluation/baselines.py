"""Baselines (unigram, permuted inputs) and bootstrap confidence intervals.

Each problem has two baselines, in nats per target token. The unigram baseline is the loss of the unigram distribution
of the training targets. The permuted-inputs baseline is the loss of the trained model itself on dev examples whose
inputs were permuted among the examples. The second needs no training, and it is harder to beat: a model that has learnt
the language of the targets but ignores its input beats the first and only equals the second. N examples.
"""

import zlib
from dataclasses import dataclass

import numpy as np

RESAMPLES = 1000
LEVEL_PERCENT = 95.0


@dataclass(frozen=True)
class BaselineComparison:
    """A model's loss on one problem and its baselines, all in nats per target token.

    `gain_low` and `gain_high` are the 95 % confidence interval of the gain from the right inputs: the loss with
    permuted inputs minus the loss. They and `permuted_nats` are None for a problem that reads no input.
    """

    nats: float
    unigram_nats: float
    permuted_nats: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None

    @property
    def learnt(self) -> bool:
        """True if the loss is below the unigram baseline and significantly below the permuted-inputs baseline."""
        return self.nats < self.unigram_nats and (self.gain_low is None or self.gain_low > 0)


def partners(count: int, seed: int, key: str) -> np.ndarray:
    """Return whose input each of `count` examples gets: a permutation, int[N], in which no example keeps its own.

    It is one random cycle through all examples (Sattolo's algorithm), so that neighbours, which are often similar, are
    not paired more often than others. It depends only on `seed` and `key`. A single example keeps its own input, so its
    gain is zero.
    """
    order_N = np.random.Generator(np.random.Philox(key=[seed % 2**64, zlib.crc32(key.encode())])).permutation(count)
    partner_N = np.empty(count, np.int64)
    partner_N[order_N] = np.roll(order_N, -1)
    return partner_N


def compare_with_baselines(
    nats_N: np.ndarray,
    tokens_N: np.ndarray,
    permuted_nats_N: np.ndarray | None,
    unigram_nats: float,
    seed: int,
) -> BaselineComparison:
    """Compare a model with its baselines on the dev examples.

    Args:
        nats_N: the loss of each example, summed over its target tokens.
        tokens_N: the number of target tokens of each example.
        permuted_nats_N: the loss of each example's targets given another example's input; None without inputs.
        unigram_nats: the mean loss of a dev token under the unigram distribution of the training targets.
        seed: of the bootstrap.
    """
    nats_N, tokens_N = np.asarray(nats_N, np.float64), np.asarray(tokens_N, np.float64)
    nats = float(nats_N.sum() / tokens_N.sum())
    if permuted_nats_N is None:
        return BaselineComparison(nats, unigram_nats)
    permuted_N = np.asarray(permuted_nats_N, np.float64)
    low, high = bootstrap_interval(permuted_N - nats_N, tokens_N, seed)
    return BaselineComparison(nats, unigram_nats, float(permuted_N.sum() / tokens_N.sum()), low, high)


def bootstrap_interval(difference_N: np.ndarray, count_N: np.ndarray, seed: int) -> tuple[float, float]:
    """Return the 95 % bootstrap confidence interval of sum(difference_N) / sum(count_N), as (low, high).

    This is a paired percentile bootstrap (Efron and Tibshirani 1993, chapter 13): examples are drawn with replacement,
    1,000 times, and each time the sum of the differences is divided by the sum of the counts.
    """
    random = np.random.Generator(np.random.Philox(key=[seed % 2**64, zlib.crc32(b"bootstrap")]))
    ratios = []
    for _ in range(RESAMPLES):
        drawn_N = random.integers(len(difference_N), size=len(difference_N))
        ratios.append(difference_N[drawn_N].sum() / count_N[drawn_N].sum())
    tail = (100.0 - LEVEL_PERCENT) / 2
    low, high = np.percentile(ratios, [tail, 100.0 - tail])
    return float(low), float(high)
