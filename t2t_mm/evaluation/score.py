"""Evaluate one problem of a trained net on a split: teacher-forced metrics, and metrics of decoded output.

N examples, K sums.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from t2t_mm.data.input.batches import Batches
from t2t_mm.data.input.generated_problem import GeneratedProblem
from t2t_mm.data.input.records import SplitReader
from t2t_mm.decoding.answers import Decoded, DecodeOptions, Failure, Result
from t2t_mm.decoding.decoder import Decoder
from t2t_mm.errors import UnknownName
from t2t_mm.evaluation.batch_evaluator import EvaluatesBatches
from t2t_mm.evaluation.fixed_example import right_answers
from t2t_mm.evaluation.results import LOSS
from t2t_mm.evaluation.teacher_forced import sums_by_example
from t2t_mm.feature import Codec
from t2t_mm.metrics.on_logits import METRICS
from t2t_mm.metrics.on_text.base import PLAIN, SHARE, Case, Style
from t2t_mm.registry import DECODED_METRICS

WINDOW = 256  # least number of examples whose records are in memory and which are decoded together
BITS = "bits_per_character"  # a teacher-forced metric that a problem may name
CLASSES = 5  # of an answer that are kept


@dataclass(frozen=True)
class Figure:
    """One metric of one problem: its sums for each example, and its value."""

    name: str
    head: str  # title of its column
    style: Style
    higher_is_better: bool
    sums_NK: np.ndarray  # float64, in the order of the split
    finish: Callable[[np.ndarray], float]
    how: str = ""  # the way it was counted, for a reader; empty for a teacher-forced metric

    @property
    def value(self) -> float:
        """The metric over all examples; NaN if nothing was counted."""
        return self.finish(self.sums_NK.sum(axis=0))


@dataclass(frozen=True)
class Scores:
    """All figures of one problem."""

    problem: str
    ids: tuple[str, ...]  # of the examples that were evaluated
    forced: tuple[Figure, ...]  # teacher-forced
    decoded: tuple[Figure, ...]
    unanswered: int = 0  # examples that the decoder refused: they count as empty output
    refusal: str = ""  # the reason for the first of them

    @property
    def figures(self) -> tuple[Figure, ...]:
        """All figures, teacher-forced ones first."""
        return self.forced + self.decoded


def score(
    decoder: Decoder,
    evaluator: EvaluatesBatches,
    ready: GeneratedProblem,
    split: str,
    options: DecodeOptions,
    *,
    examples: int = -1,
    report: Callable[[int, int], None] = lambda done, of: None,
) -> Scores:
    """Evaluate a problem on `split`.

    Args:
        decoder: decodes by the net; its codecs read the same vocabularies and class lists as the records of `ready`.
        evaluator: evaluates batches by the same net.
        ready: the problem and its records.
        split: such as "dev".
        options: how to decode.
        examples: how many to take, spread evenly over the split; -1 takes all.
        report: called with the number of examples that are decoded, and the number of all.

    Raises:
        UserError: there is no such split, its files are damaged, or a metric that the problem names is unknown.
    """
    if split not in ready.manifest.splits:
        raise UnknownName(f"split of {ready.name}", split, ready.manifest.splits)
    metrics = {name: DECODED_METRICS[name]() for name in ready.problem.decoded_metric_names()}
    count = ready.manifest.splits[split].examples
    most = count if examples < 0 else min(examples, count)
    places = np.unique(np.linspace(0, count - 1, most).astype(int))
    forced = _teacher_forced(decoder, evaluator, ready, split, places)
    reader = SplitReader(ready.folder, ready.manifest.splits[split])
    if "inputs" not in ready.codecs or not metrics:
        ids = [record["id"] for window in _windows(places, WINDOW) for record in reader.read(window)]
        return Scores(ready.name, tuple(ids), forced, ())

    ids, cases, refusals = [], [], []
    for window in _windows(places, max(WINDOW, 8 * options.batch_size)):
        records = reader.read(window)
        values = [ready.codecs["inputs"].value(record["inputs"]) for record in records]
        results = decoder.decode(ready.name, values, options)
        ids += [record["id"] for record in records]
        cases += [
            _case(ready.codecs["targets"], record, value, result)
            for record, value, result in zip(records, values, results, strict=True)
        ]
        refusals += [result.reason for result in results if isinstance(result, Failure)]
        report(len(cases), len(places))
    decoded = []
    for name, metric in metrics.items():
        counted = metric.count(cases)
        decoded.append(
            Figure(
                name, metric.head, metric.style, metric.higher_is_better, counted.sums_NK, metric.finish, counted.how
            )
        )
    return Scores(ready.name, tuple(ids), forced, tuple(decoded), len(refusals), refusals[0] if refusals else "")


def _teacher_forced(
    decoder: Decoder, evaluator: EvaluatesBatches, ready: GeneratedProblem, split: str, places: np.ndarray
) -> tuple[Figure, ...]:
    """Return the log perplexity and, for generated targets, the token accuracy, as in arXiv 1706.05137 (table 2).

    For problems that name that metric, return the bits per character too.
    """
    batches = Batches(ready, split, decoder.hparams, seed=0, training=False, only=places.tolist())
    sums = sums_by_example(evaluator, batches, [LOSS, "accuracy"])
    order = np.argsort(np.concatenate([batches.plan.batch(position)[2] for position in range(len(batches))]))
    forced = [Figure("log_perplexity", "log perplexity", PLAIN, False, sums[LOSS][order], _nats)]
    if BITS in ready.problem.metrics:
        forced.append(Figure(BITS, "bits per character", PLAIN, False, sums[LOSS][order], METRICS[BITS].finish))
    right = METRICS["accuracy"].finish
    if decoder.net.generates(ready.name):
        forced.append(Figure("token_accuracy", "token accuracy", SHARE, True, sums["accuracy"][order], right))
    return tuple(forced)


def _nats(sums_K: np.ndarray) -> float:
    return -METRICS[LOSS].finish(sums_K)


def _case(target: Codec, record: Mapping[str, Any], value: Any, result: Result) -> Case:
    references = tuple(right_answers(target, record["targets"], value))
    if not isinstance(result, Decoded):
        return Case((), references, well_formed=False)
    best = result.answers[:CLASSES]
    return Case(tuple(answer.text for answer in best), references, best[0].well_formed)


def _windows(places: np.ndarray, size: int) -> Iterator[Sequence[int]]:
    for begin in range(0, len(places), size):
        yield places[begin : begin + size].tolist()
