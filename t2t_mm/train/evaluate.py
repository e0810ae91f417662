"""One problem on its dev set, with the right past given: its metrics, and where it stands beside its baselines."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from t2t_mm.data.batch import Batch
from t2t_mm.data.batches import Batches
from t2t_mm.metrics.on_logits import METRICS
from t2t_mm.train.baseline import judge, partners
from t2t_mm.train.report import Result
from t2t_mm.train.step import Steps

LOSS = "neg_log_perplexity"


def evaluate(steps: Steps, batches: Batches, eval_steps: int, seed: int, *, permuted: bool) -> Result:
    """Evaluate the problem of `batches`.

    Args:
        steps: the compiled steps of the net.
        batches: of the dev set, not for training.
        eval_steps: batches to evaluate; -1 takes all.
        seed: of the permutation and of the bootstrap.
        permuted: whether to find out what the input is worth too, at the price of a second pass.
    """
    ready = batches.ready
    names = list(dict.fromkeys([LOSS, *ready.problem.metrics]))
    sums: dict[str, list[np.ndarray]] = {name: [] for name in names}
    permuted_nats: list[np.ndarray] = []
    with_inputs = permuted and "inputs" in ready.codecs
    for batch in _first(batches, eval_steps):
        for name, sums_BK in steps.judge(batch, names).items():
            sums[name].append(by_example(sums_BK, batch))
        if with_inputs:
            judged = steps.judge(with_permuted_inputs(batch, seed), [LOSS])
            permuted_nats.append(-by_example(judged[LOSS], batch)[:, 0])
    whole = {name: np.concatenate(parts).astype(np.float64) for name, parts in sums.items()}
    nats_N, tokens_N = -whole[LOSS][:, 0], whole[LOSS][:, 1]
    unigram = ready.manifest.baseline
    return Result(
        problem=ready.name,
        examples=len(nats_N),
        metrics={name: METRICS[name].finish(sums_NK.sum(axis=0)) for name, sums_NK in whole.items()},
        standing=judge(
            nats_N,
            tokens_N,
            np.concatenate(permuted_nats) if with_inputs else None,
            unigram.get("nats_per_token", math.inf),
            seed,
        ),
        classes="lengths" not in ready.codecs["targets"].spec(batches.hparams),
        unigram_accuracy=unigram.get("accuracy"),
    )


def with_permuted_inputs(batch: Batch, seed: int) -> Batch:
    """The batch with each example given another one's inputs.

    Within a batch examples are of like length, so an input's length gives nothing away: the baseline is the harder one
    to beat.
    """
    first_E = first_rows(batch)
    order = np.arange(len(next(iter(batch.arrays["inputs"].values()))))
    partner_E = first_E[partners(len(first_E), seed, f"{batch.problem} {batch.position}")]
    order[: len(batch.ids)] = np.repeat(partner_E, np.diff([*first_E, len(batch.ids)]))
    inputs = {name: array[order] for name, array in batch.arrays["inputs"].items()}
    return replace(batch, arrays={**batch.arrays, "inputs": inputs})


def by_example(sums_BK: np.ndarray, batch: Batch) -> np.ndarray:
    """The sums of each example, float[E, K], its right answers added up: they count as one example."""
    return np.add.reduceat(sums_BK, first_rows(batch))


def first_rows(batch: Batch) -> np.ndarray:
    """The row at which each example begins, int[E]."""
    return np.flatnonzero([i == 0 or batch.ids[i] != batch.ids[i - 1] for i in range(len(batch.ids))])


def _first(batches: Batches, count: int) -> Iterator[Batch]:
    stream = batches.stream()
    try:
        yield from itertools.islice(stream, None if count < 0 else count)
    finally:
        stream.close()
