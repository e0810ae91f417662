"""Results of an evaluation: one row a problem, beside its baselines, as a table and as a file."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2t_mm.atomic_file import whole_file
from t2t_mm.evaluation.baselines import BaselineComparison
from t2t_mm.evaluation.table import Table

NONE = "-"
LOSS = "neg_log_perplexity"  # the metric that every problem has
IN_COLUMNS = (LOSS, "accuracy", "accuracy_per_sequence")  # metrics that have a column of their own


@dataclass(frozen=True)
class Result:
    """How one problem stands on its dev set."""

    problem: str
    examples: int  # dev examples that were evaluated
    metrics: dict[str, float]
    standing: BaselineComparison
    classes: bool  # the target is one class, not a sequence
    unigram_accuracy: float | None = None  # of always saying the most frequent token or class
    corrupt: tuple[str, ...] = ()  # sentences about dev examples that were left out because they can't be read


def results_table(step: int, results: Sequence[Result]) -> Table:
    """One row a problem: its figures, its baselines, and whether it has learnt from its input."""
    others = sorted({name for result in results for name in result.metrics if name not in IN_COLUMNS})
    return Table(
        title=f"Results at step {step:,}",
        columns=(
            "problem",
            "log perplexity",
            "token accuracy",
            "per sequence accuracy",
            "top-1",
            *(name.replace("_", " ") for name in others),
            "unigram",
            "inputs permuted",
            "input is worth (95 %)",
            "learnt",
        ),
        rows=[_result_cells(result, others) for result in results],
        notes=[
            "log perplexity, unigram and inputs permuted are nats per target token, unsmoothed: lower is better.",
            "unigram: guessing by the training targets' frequencies; for classes also the commonest one's share.",
            "inputs permuted: this model, given other examples' inputs; input is worth: what that costs (bootstrap).",
            "learnt: log perplexity is below unigram, and what the input is worth is above 0.",
            *(f"{result.problem}: without {len(result.corrupt):,} corrupt." for result in results if result.corrupt),
        ],
    )


def write_results(output_dir: Path, step: int, results: Sequence[Result]) -> Path:
    """Write `results` to `<output_dir>/eval/results-<step>.json`; returns the path. UserError if that fails."""
    path = output_dir / "eval" / f"results-{step}.json"
    content = {"step": step, "problems": {result.problem: _as_json(result) for result in results}}
    with whole_file(path) as partial:
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
    worth = NONE
    if standing.gain_low is not None and standing.gain_high is not None:
        worth = f"{standing.gain_low:.3f} to {standing.gain_high:.3f}"
    return [
        result.problem,
        f"{standing.nats:.3f}",
        _percent(token_accuracy),
        _percent(per_sequence),
        _percent(top1),
        *(_other(name, metrics.get(name)) for name in others),
        unigram,
        NONE if standing.permuted_nats is None else f"{standing.permuted_nats:.3f}",
        worth,
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
