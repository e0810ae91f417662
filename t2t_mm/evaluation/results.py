"""Results of an evaluation, one row per problem with its baselines, as a table and as a file."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2t_mm.atomic_file import atomic_write
from t2t_mm.evaluation.baselines import BaselineComparison
from t2t_mm.evaluation.table import Table

NONE = "-"
LOSS = "neg_log_perplexity"  # the metric that every problem has
IN_COLUMNS = (LOSS, "accuracy", "accuracy_per_sequence")  # metrics that have a column of their own


@dataclass(frozen=True)
class Result:
    """Result of one problem on its dev set."""

    problem: str
    examples: int  # dev examples that were evaluated
    metrics: dict[str, float]
    standing: BaselineComparison
    classes: bool  # the target is one class, not a sequence
    unigram_accuracy: float | None = None  # of always predicting the most frequent token or class
    corrupt: tuple[str, ...] = ()  # sentences about dev examples that were left out because their records are corrupt


def results_table(step: int, results: Sequence[Result]) -> Table:
    """Return a table with one row per problem: its metrics, its baselines, and the verdict if it has learnt."""
    others = sorted({name for result in results for name in result.metrics if name not in IN_COLUMNS})
    return Table(
        title=f"Results at step {step:,}",
        columns=(
            "problem",
            "log perplexity",
            "token accuracy",
            "sequence accuracy",
            "top-1",
            *(name.replace("_", " ") for name in others),
            "unigram baseline",
            "permuted inputs",
            "gain from input (95 %)",
            "learnt",
        ),
        rows=[_result_cells(result, others) for result in results],
        notes=[
            "log perplexity, unigram baseline and permuted inputs are in nats per target token without label "
            "smoothing: lower is better.",
            "unigram baseline: the loss of guessing by the frequencies in the training targets; for classes also the "
            "share of the most frequent class.",
            "permuted inputs: the loss of this model when each example gets the input of another one. "
            "gain from input: that loss minus log perplexity, as a 95 % bootstrap confidence interval.",
            "learnt: log perplexity is below the unigram baseline, and the gain from input is above 0.",
            *(
                f"{result.problem}: corrupt examples that were left out: {len(result.corrupt):,}."
                for result in results
                if result.corrupt
            ),
        ],
    )


def write_results(output_dir: Path, step: int, results: Sequence[Result]) -> Path:
    """Write `results` to `<output_dir>/eval/results-<step>.json`; return the path. Raises UserError if that fails."""
    path = output_dir / "eval" / f"results-{step}.json"
    content = {"step": step, "problems": {result.problem: _as_json(result) for result in results}}
    with atomic_write(path) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return path


def _result_cells(result: Result, others: Sequence[str]) -> list[str]:
    metrics, standing = result.metrics, result.standing
    token_accuracy, top1 = metrics.get("accuracy"), None
    per_sequence = metrics.get("accuracy_per_sequence")
    if result.classes:
        token_accuracy, per_sequence, top1 = None, None, token_accuracy
    unigram = f"{standing.unigram_nats:.3f}"
    if result.classes and result.unigram_accuracy is not None:
        unigram += f" / {_percent(result.unigram_accuracy)}"
    gain = NONE
    if standing.gain_low is not None and standing.gain_high is not None:
        gain = f"{standing.gain_low:.3f} to {standing.gain_high:.3f}"
    return [
        result.problem,
        f"{standing.nats:.3f}",
        _percent(token_accuracy),
        _percent(per_sequence),
        _percent(top1),
        *(_other(name, metrics.get(name)) for name in others),
        unigram,
        NONE if standing.permuted_nats is None else f"{standing.permuted_nats:.3f}",
        gain,
        "yes" if standing.learnt else "no",
    ]


def _percent(share: float | None) -> str:
    return NONE if share is None else f"{100 * share:.1f} %"


def _other(name: str, value: float | None) -> str:
    if value is None or name.startswith("accuracy"):
        return _percent(value)
    return f"{value:.3f}"


def _as_json(result: Result) -> dict[str, Any]:
    fields = dataclasses.asdict(result)
    fields.pop("problem")
    fields["standing"]["learnt"] = result.standing.learnt
    return fields
