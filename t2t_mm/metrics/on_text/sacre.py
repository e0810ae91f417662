"""Corpus BLEU and chrF by sacrebleu (Post 2018, arXiv 1804.08771), on raw text that is not tokenised beforehand.

sacrebleu counts each sentence separately and adds the counts; `count` returns them per sentence. If an example has
several references, BLEU clips the count of an n-gram to its highest count in any reference, and chrF takes the best
reference.
"""

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import numpy as np

from t2t_mm.metrics.on_text.base import POINTS, Case, Counted, TextMetric
from t2t_mm.metrics.on_text.captions import words
from t2t_mm.registry import DECODED_METRICS


@DECODED_METRICS.register
class Bleu(TextMetric):
    """Corpus BLEU, 0 to 100: sacrebleu's defaults (tokeniser 13a, cased, exponential smoothing)."""

    head = "BLEU"
    style = POINTS

    def count(self, cases: Sequence[Case]) -> Counted:
        return _counted(_bleu(), [case.output for case in cases], [case.references for case in cases])

    def finish(self, sums_K: np.ndarray) -> float:
        return _finished(_bleu(), sums_K)


@DECODED_METRICS.register
class Chrf(TextMetric):
    """Corpus chrF2, 0 to 100: sacrebleu's defaults (character n-grams to 6, cased, beta 2)."""

    head = "chrF"
    style = POINTS

    def count(self, cases: Sequence[Case]) -> Counted:
        return _counted(_chrf(), [case.output for case in cases], [case.references for case in cases])

    def finish(self, sums_K: np.ndarray) -> float:
        return _finished(_chrf(), sums_K)


@DECODED_METRICS.register(name="bleu_4")
class CaptionBleu(TextMetric):
    """Corpus BLEU-4 of captions, 0 to 100, as COCO counts it: words in lower case without punctuation, no smoothing."""

    head = "BLEU-4"
    style = POINTS

    def count(self, cases: Sequence[Case]) -> Counted:
        outputs = [_spaced(case.output) for case in cases]
        counted = _counted(_caption_bleu(), outputs, [[*map(_spaced, case.references)] for case in cases])
        return Counted(counted.sums_NK, f"words as COCO's scorers take them; {counted.how}")

    def finish(self, sums_K: np.ndarray) -> float:
        return _finished(_caption_bleu(), sums_K)


def _bleu() -> Any:
    from sacrebleu.metrics import BLEU

    return BLEU(force=True)  # force: no warning about output that ends in " ."


def _caption_bleu() -> Any:
    from sacrebleu.metrics import BLEU

    return BLEU(force=True, tokenize="none", smooth_method="none")


def _chrf() -> Any:
    from sacrebleu.metrics import CHRF

    return CHRF()


def _spaced(caption: str) -> str:
    """Return the words of a caption, separated by blanks."""
    return " ".join(words(caption))


def _counted(metric: Any, outputs: Sequence[str], references: Sequence[Sequence[str]]) -> Counted:
    # This method and that in `_finished` are sacrebleu's interface for metrics: its own corpus_score calls both.
    streams = list(zip_longest(*references))
    sums_NK = np.array(metric._extract_corpus_statistics(outputs, streams), np.float64)
    return Counted(sums_NK, f"sacrebleu {metric.get_signature().format()}")


def _finished(metric: Any, sums_K: np.ndarray) -> float:
    return float(metric._compute_score_from_stats([round(count) for count in sums_K]).score)
