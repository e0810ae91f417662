"""Teacher-forced evaluation of one problem on its dev set: its metrics, compared with its baselines.

Teacher-forced means that each token is predicted from the correct tokens before it.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from t2t_mm.data.input.batch import Batch
from t2t_mm.data.input.batches import Batches
from t2t_mm.evaluation.baselines import compare_with_baselines, partners
from t2t_mm.evaluation.batch_evaluator import EvaluatesBatches
from t2t_mm.evaluation.results import LOSS, Result
from t2t_mm.metrics.on_logits import METRICS


def evaluate(steps: EvaluatesBatches, batches: Batches, eval_steps: int, seed: int, *, permuted: bool) -> Result:
    """Evaluate the problem of `batches`.

    Args:
        steps: evaluates batches by the net.
        batches: the batches of the dev set, not made for training.
        eval_steps: how many batches to evaluate; -1 takes all.
        seed: of the permutation and of the bootstrap.
        permuted: True to evaluate permuted inputs too, which takes a second pass.
    """
    ready = batches.ready
    sums = sums_by_example(steps, batches, [LOSS, *ready.problem.metrics], eval_steps)
    nats_N, tokens_N = -sums[LOSS][:, 0], sums[LOSS][:, 1]
    permuted_N = None
    if permuted and "inputs" in ready.codecs:
        swap = partial(with_permuted_inputs, seed=seed)
        permuted_N = -sums_by_example(steps, batches, [LOSS], eval_steps, swap)[LOSS][:, 0]
    unigram = ready.manifest.baseline
    return Result(
        problem=ready.name,
        examples=len(nats_N),
        metrics={name: METRICS[name].finish(sums_NK.sum(axis=0)) for name, sums_NK in sums.items()},
        standing=compare_with_baselines(nats_N, tokens_N, permuted_N, unigram.get("nats_per_token", math.inf), seed),
        classes="lengths" not in ready.codecs["targets"].spec(batches.hparams),
        unigram_accuracy=unigram.get("accuracy"),
        corrupt=batches.corrupt,
    )


def sums_by_example(
    steps: EvaluatesBatches,
    batches: Batches,
    metrics: Sequence[str],
    eval_steps: int = -1,
    change: Callable[[Batch], Batch] = lambda batch: batch,
) -> dict[str, np.ndarray]:
    """Return the sums of each of `metrics` for every example, float64[examples, sums], in the order of the batches.

    `change` is applied to a batch before it is evaluated. The sums of the references of an example are added up: they
    count as one example.
    """
    names = list(dict.fromkeys(metrics))
    parts: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for batch in _first(batches, eval_steps):
        if not batch.ids:
            continue  # all of its records are corrupt
        for name, sums_BK in steps.evaluate_batch(change(batch), names).items():
            parts[name].append(by_example(sums_BK, batch))
    return {name: np.concatenate(sums).astype(np.float64) for name, sums in parts.items()}


def with_permuted_inputs(batch: Batch, seed: int) -> Batch:
    """Return the batch with the inputs permuted among its examples.

    The examples of a batch have similar lengths, so the length of an input does not reveal that it is another one's.
    This makes the baseline harder to beat.
    """
    first_E = first_rows(batch)
    rows_E = np.diff([*first_E, len(batch.ids)])
    order = np.arange(len(next(iter(batch.arrays["inputs"].values()))))
    for own, other in enumerate(partners(len(first_E), seed, f"{batch.problem} {batch.position}")):
        # the windows of an example may differ; the inputs of an example's references are equal
        taken = first_E[other] + np.arange(rows_E[own]) % rows_E[other]
        order[first_E[own] : first_E[own] + rows_E[own]] = taken
    inputs = {name: array[order] for name, array in batch.arrays["inputs"].items()}
    return replace(batch, arrays={**batch.arrays, "inputs": inputs})


def by_example(sums_BK: np.ndarray, batch: Batch) -> np.ndarray:
    """Return the sums of each example, float[E, K], from the sums of each row."""
    return np.add.reduceat(sums_BK, first_rows(batch))


def first_rows(batch: Batch) -> np.ndarray:
    """Return the row at which each example begins, int[E]."""
    return np.flatnonzero([i == 0 or batch.ids[i] != batch.ids[i - 1] for i in range(len(batch.ids))])


def _first(batches: Batches, count: int) -> Iterator[Batch]:
    stream = batches.stream()
    try:
        yield from itertools.islice(stream, None if count < 0 else count)
    finally:
        stream.close()
