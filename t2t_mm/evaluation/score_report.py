"""Tables of t2t-mm-eval, and the files that it writes to a run directory."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from t2t_mm.atomic_file import atomic_write
from t2t_mm.evaluation.compare_runs import Difference
from t2t_mm.evaluation.score import Figure, Scores
from t2t_mm.evaluation.table import Table

NONE = "-"
FORCED = (
    "log perplexity (nats per target token) and token accuracy are teacher-forced: "
    "each token is predicted from the correct tokens before it. So are bits per character."
)


def scores_table(title: str, scores: Sequence[Scores], how: str) -> Table:
    """Return a table with a row per problem and a column per metric; `how` says how outputs were decoded."""
    heads = list(dict.fromkeys(figure.head for one in scores for figure in one.figures))
    return Table(
        title=title,
        columns=("problem", "examples", *heads),
        rows=[(one.problem, f"{len(one.ids):,}", *_cells(one, heads)) for one in scores],
        notes=[
            FORCED,
            f"All other metrics are of decoded output: {how}.",
            *_directions(scores),
            *_hows(scores),
            *_gaps(scores),
        ],
    )


def differences_table(title: str, first: str, others: Mapping[str, Sequence[Difference]], how: str) -> Table:
    """Return a table with a row for each figure of each problem that run `first` shares with one of `others`."""
    return Table(
        title=title,
        columns=("problem", "metric", "other run", "examples", first, "other", "difference", "95 %", f"{first} is"),
        rows=[_difference_cells(other, one) for other, differences in others.items() for one in differences],
        notes=[
            FORCED,
            f"All other metrics are of decoded output: {how}.",
            f"difference: {first} minus the other run, on the same examples; 95 %: its 95 % confidence interval "
            "(paired bootstrap over examples). better, worse: the interval does not contain 0.",
        ],
    )


def scores_line(scores: Scores) -> str:
    """Return the figures of one problem as one line, to print when the problem is done."""
    figures = "  ".join(f"{figure.head} {_shown(figure, figure.value)}" for figure in scores.figures)
    return f"{scores.problem}: {figures}"


def scores_json(scores: Scores) -> dict[str, Any]:
    """Return the content of a file about one problem. A figure that is NaN is null."""
    return {
        "examples": len(scores.ids),
        "unanswered": scores.unanswered,
        "teacher_forced": {figure.name: _number(figure.value) for figure in scores.forced},
        "decoded": {figure.name: {"value": _number(figure.value), "how": figure.how} for figure in scores.decoded},
    }


def difference_json(difference: Difference) -> dict[str, Any]:
    """Return the content of a file about one difference."""
    return {
        "examples": len(difference.figure.sums_NK),
        "first": _number(difference.first),
        "second": _number(difference.second),
        "difference": _number(difference.first - difference.second),
        "low": _number(difference.low),
        "high": _number(difference.high),
        "verdict": difference.verdict,
    }


def write(path: Path, content: Mapping[str, Any], table: Table) -> list[Path]:
    """Write `path`.json and, for people, `path`.md, each by an atomic write; return both paths.

    Raises UserError if that fails.
    """
    texts = {".json": json.dumps(content, indent=2, allow_nan=False) + "\n", ".md": table.markdown() + "\n"}
    paths = []
    for suffix, text in texts.items():
        paths.append(path.with_name(path.name + suffix))
        with atomic_write(paths[-1]) as partial:
            partial.write_text(text, encoding="utf-8")
    return paths


def _cells(scores: Scores, heads: Sequence[str]) -> list[str]:
    by_head = {figure.head: _shown(figure, figure.value) for figure in scores.figures}
    return [by_head.get(head, "") for head in heads]


def _difference_cells(other: str, difference: Difference) -> list[str]:
    figure, first, second = difference.figure, difference.first, difference.second
    values = [_shown(figure, value) for value in (first, second)]
    ends = [_shown(figure, value, "+") for value in (first - second, difference.low, difference.high)]
    count, interval = f"{len(figure.sums_NK):,}", f"{ends[1]} to {ends[2]}"
    return [difference.problem, figure.head, other, count, *values, ends[0], interval, difference.verdict]


def _shown(figure: Figure, value: float, sign: str = "") -> str:
    return NONE if math.isnan(value) else figure.style.text(value, sign)


def _directions(scores: Sequence[Scores]) -> list[str]:
    low = dict.fromkeys(figure.head for one in scores for figure in one.figures if not figure.higher_is_better)
    return [f"Lower is better: {', '.join(low)}."] if low else []


def _hows(scores: Sequence[Scores]) -> list[str]:
    """Return a line on how each metric was counted; one for all problems if it is the same for all."""
    problems_by_how: dict[str, dict[str, list[str]]] = {}
    for one in scores:
        for figure in one.decoded:
            problems_by_how.setdefault(figure.head, {}).setdefault(figure.how, []).append(one.problem)
    lines = []
    for head, hows in problems_by_how.items():
        for how, problems in hows.items():
            whose = "" if len(hows) == 1 else f" of {', '.join(problems)}"
            lines.append(f"{head}{whose}: {how}.")
    return lines


def _gaps(scores: Sequence[Scores]) -> list[str]:
    return [
        f"{one.unanswered:,} of {len(one.ids):,} examples of {one.problem} could not be decoded and count as empty "
        f"output. The reason for the first of them: {one.refusal}"
        for one in scores
        if one.unanswered
    ]


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
