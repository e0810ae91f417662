"""The tables of t2t-mm-eval, and the files that it leaves in a run directory."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from t2t_mm.atomic_file import whole_file
from t2t_mm.evaluation.compare_runs import Difference
from t2t_mm.evaluation.score import Figure, Scores
from t2t_mm.evaluation.table import Table

NONE = "-"
FORCED = (
    "log perplexity (nats per target token) and token accuracy are teacher-forced: "
    "each token is judged given the right ones before it; so are bits per character."
)


def scores_table(title: str, scores: Sequence[Scores], how: str) -> Table:
    """One row a problem, a column for each metric that judges any; `how` says how outputs were decoded."""
    heads = list(dict.fromkeys(figure.head for one in scores for figure in one.figures))
    return Table(
        title=title,
        columns=("problem", "examples", *heads),
        rows=[(one.problem, f"{len(one.ids):,}", *_cells(one, heads)) for one in scores],
        notes=[FORCED, f"All else is of decoded output: {how}.", *_directions(scores), *_hows(scores), *_gaps(scores)],
    )


def differences_table(title: str, first: str, others: Mapping[str, Sequence[Difference]], how: str) -> Table:
    """One row for each figure of each problem that run `first` shares with one of `others`."""
    return Table(
        title=title,
        columns=("problem", "metric", "other run", "examples", first, "other", "difference", "95 %", f"{first} is"),
        rows=[_difference_cells(other, one) for other, found in others.items() for one in found],
        notes=[
            FORCED,
            f"All else is of decoded output: {how}.",
            f"difference: {first} minus the other run, on the same examples; 95 %: what encloses it with 95 % "
            "confidence (paired bootstrap over examples). better, worse: 0 lies outside.",
        ],
    )


def scores_line(scores: Scores) -> str:
    """One line on one problem, as it is done."""
    figures = "  ".join(f"{figure.head} {_shown(figure, figure.value)}" for figure in scores.figures)
    return f"{scores.problem}: {figures}"


def scores_json(scores: Scores) -> dict[str, Any]:
    """What a file says of one problem. A figure that is no number is null."""
    return {
        "examples": len(scores.ids),
        "unanswered": scores.unanswered,
        "teacher_forced": {figure.name: _number(figure.value) for figure in scores.forced},
        "decoded": {figure.name: {"value": _number(figure.value), "how": figure.how} for figure in scores.decoded},
    }


def difference_json(found: Difference) -> dict[str, Any]:
    """What a file says of one difference."""
    return {
        "examples": len(found.figure.sums_NK),
        "first": _number(found.first),
        "second": _number(found.second),
        "difference": _number(found.first - found.second),
        "low": _number(found.low),
        "high": _number(found.high),
        "verdict": found.verdict,
    }


def write(path: Path, content: Mapping[str, Any], table: Table) -> list[Path]:
    """Write `path`.json and, for people, `path`.md, each whole or not at all; returns both. UserError if that fails."""
    texts = {".json": json.dumps(content, indent=2, allow_nan=False) + "\n", ".md": table.markdown() + "\n"}
    paths = []
    for suffix, text in texts.items():
        paths.append(path.with_name(path.name + suffix))
        with whole_file(paths[-1]) as partial:
            partial.write_text(text, encoding="utf-8")
    return paths


def _cells(scores: Scores, heads: Sequence[str]) -> list[str]:
    by_head = {figure.head: _shown(figure, figure.value) for figure in scores.figures}
    return [by_head.get(head, "") for head in heads]


def _difference_cells(other: str, found: Difference) -> list[str]:
    figure = found.figure
    values = [_shown(figure, value) for value in (found.first, found.second)]
    ends = [_shown(figure, value, "+") for value in (found.first - found.second, found.low, found.high)]
    span = f"{ends[1]} to {ends[2]}"
    return [found.problem, figure.head, other, f"{len(figure.sums_NK):,}", *values, ends[0], span, found.verdict]


def _shown(figure: Figure, value: float, sign: str = "") -> str:
    return NONE if math.isnan(value) else figure.style.text(value, sign)


def _directions(scores: Sequence[Scores]) -> list[str]:
    low = dict.fromkeys(figure.head for one in scores for figure in one.figures if not figure.higher_is_better)
    return [f"Lower is better: {', '.join(low)}."] if low else []


def _hows(scores: Sequence[Scores]) -> list[str]:
    """How each metric counted, once for all problems where it is the same."""
    said: dict[str, dict[str, list[str]]] = {}
    for one in scores:
        for figure in one.decoded:
            said.setdefault(figure.head, {}).setdefault(figure.how, []).append(one.problem)
    lines = []
    for head, hows in said.items():
        for how, problems in hows.items():
            whose = "" if len(hows) == 1 else f" of {', '.join(problems)}"
            lines.append(f"{head}{whose}: {how}.")
    return lines


def _gaps(scores: Sequence[Scores]) -> list[str]:
    return [
        f"{one.unanswered:,} of {len(one.ids):,} examples of {one.problem} could not be decoded and count as empty "
        f"output, the first of them because: {one.refusal}"
        for one in scores
        if one.unanswered
    ]


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
