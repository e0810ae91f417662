"""What a figure is held against: how well one does without the input, and whether the difference is more than chance.

Two baselines for each problem, in nats per target token: the unigram distribution of the training targets, and the
trained model itself on dev examples whose inputs were permuted among them. The second costs no training, and it is the
sharper one: a model that learnt the targets' language but ignores its input beats the first and equals the second.
N examples.
"""

import zlib
from dataclasses import dataclass

import numpy as np

RESAMPLES = 1000
LEVEL_PERCENT = 95.0


@dataclass(frozen=True)
class BaselineComparison:
    """A model's loss on one problem beside its baselines, all in nats per target token.

    `gain_low` and `gain_high` enclose, with 95 % confidence, what the right inputs are worth: the loss with permuted
    inputs minus the loss. A problem that reads no input has neither these nor `permuted_nats`.
    """

    nats: float
    unigram_nats: float
    permuted_nats: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None

    @property
    def learnt(self) -> bool:
        """Whether the loss is below the unigram baseline and, beyond chance, below the one with permuted inputs."""
        return self.nats < self.unigram_nats and (self.gain_low is None or self.gain_low > 0)


def partners(count: int, seed: int, key: str) -> np.ndarray:
    """Whose input each of `count` examples gets: int[N], a permutation in which none keeps its own.

    One random cycle through all examples (Sattolo's permutations), so that neighbours, which are often alike, are not
    paired more than others. It depends on `seed` and `key` alone. A single example has nobody to swap with and keeps
    its input, which makes its gain zero.
    """
    order_N = np.random.Generator(np.random.Philox(key=[seed % 2**64, zlib.crc32(key.encode())])).permutation(count)
    partner_N = np.empty(count, np.int64)
    partner_N[order_N] = np.roll(order_N, -1)
    return partner_N


def judge(
    nats_N: np.ndarray,
    tokens_N: np.ndarray,
    permuted_nats_N: np.ndarray | None,
    unigram_nats: float,
    seed: int,
) -> BaselineComparison:
    """Compare a model with its baselines on the dev examples.

    Args:
        nats_N: the loss of each example, summed over its target tokens.
        tokens_N: the target tokens of each example.
        permuted_nats_N: the loss of each example's targets given another example's input; None without inputs.
        unigram_nats: the mean loss of a dev token under the unigram distribution of the training targets.
        seed: of the resampling.
    """
    nats_N, tokens_N = np.asarray(nats_N, np.float64), np.asarray(tokens_N, np.float64)
    nats = float(nats_N.sum() / tokens_N.sum())
    if permuted_nats_N is None:
        return BaselineComparison(nats, unigram_nats)
    permuted_N = np.asarray(permuted_nats_N, np.float64)
    low, high = interval(permuted_N - nats_N, tokens_N, seed)
    return BaselineComparison(nats, unigram_nats, float(permuted_N.sum() / tokens_N.sum()), low, high)


def interval(difference_N: np.ndarray, count_N: np.ndarray, seed: int) -> tuple[float, float]:
    """What encloses sum(difference_N) / sum(count_N) with 95 % confidence.

    A paired percentile bootstrap: examples are drawn with replacement, 1,000 times, and each time the difference of
    what two models (or inputs) sum up is divided by what was counted (Efron and Tibshirani 1993, chapter 13).
    """
    random = np.random.Generator(np.random.Philox(key=[seed % 2**64, zlib.crc32(b"bootstrap")]))
    found = []
    for _ in range(RESAMPLES):
        drawn_N = random.integers(len(difference_N), size=len(difference_N))
        found.append(difference_N[drawn_N].sum() / count_N[drawn_N].sum())
    tail = (100.0 - LEVEL_PERCENT) / 2
    low, high = np.percentile(found, [tail, 100.0 - tail])
    return float(low), float(high)
