"""Tables that surgery prints: parts of the net that were kept, changed, added and dropped; experts; file sizes."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from t2t_mm.evaluation.table import Table
from t2t_mm.run_tools.surgery.fit import Arrays, Fitted
from t2t_mm.train import checkpoint
from t2t_mm.train.optim.optimizer import unit_of

SHAPES = 3  # greatest number of shapes of a part that are shown


def parts_table(title: str, there: Arrays, fitted: Fitted) -> Table:
    """Return a table with a row for each part of the net and its change; slots and counts are in a note."""
    before, after = checkpoint.weights_of(there), checkpoint.weights_of(fitted.arrays)
    rows: list[tuple[str, ...]] = []
    for what, names in (
        ("kept", fitted.kept),
        ("experts pruned", fitted.cut),
        ("new", fitted.new),
        ("dropped", fitted.dropped),
    ):
        units: dict[str, list[str]] = {}
        for name in names:
            if name in before or name in after:
                units.setdefault(unit_of(name), []).append(name)
        for unit, weights in units.items():
            one = after if what != "dropped" else before
            parameters = sum(one[name].size for name in weights)
            shapes = _shapes(weights, before if what == "experts pruned" else {}, one)
            rows.append((unit, what, f"{len(weights):,}", f"{parameters:,}", shapes))
    slots = [sum(name not in before and name not in after for name in names) for names in _lists(fitted)]
    return Table(
        title=title,
        columns=("part", "is", "weights", "parameters", "shapes"),
        rows=sorted(rows),
        notes=[
            f"Parameters: {_parameters(before):,} before, {_parameters(after):,} now.",
            "Slots of the optimizer and step counts: "
            f"{slots[0]:,} kept, {slots[1]:,} pruned, {slots[2]:,} new, {slots[3]:,} dropped.",
        ],
    )


def experts_table(choices: Mapping[str, np.ndarray], experts: Mapping[str, np.ndarray], where: str) -> Table:
    """Return a table with a row per layer: how often its experts were chosen, and how many are kept.

    `where` says on which data the choices were counted.
    """
    rows = []
    for layer, choices_E in choices.items():
        share_E = choices_E / max(float(choices_E.sum()), 1.0)
        stay = experts.get(f"net/body/{layer}", np.arange(len(choices_E)))
        lost = 1.0 - float(share_E[stay].sum())
        rows.append(
            (
                layer,
                f"{len(choices_E):,}",
                f"{np.count_nonzero(choices_E):,}",
                f"{share_E.max():.1%}",
                f"{np.median(share_E):.1%}",
                f"{len(stay):,}",
                f"{abs(lost):.2%}",
            )
        )
    return Table(
        title=f"Experts: {where}",
        columns=("layer", "experts", "ever chosen", "greatest share", "median share", "kept", "choices lost"),
        rows=rows,
        notes=["choices lost: the share of the choices that fell on removed experts; the next best are then chosen."],
    )


def sizes_table(before: Path, after: Path, files: Iterable[str]) -> Table:
    """Return a table of the sizes of the two runs' checkpoints, given by path, and of the `files` of the old run."""
    rows = [(after.name, _size(before), _size(after))]
    for file in sorted(files):
        rows.append((file, _size(before.parent / file), _size(after.parent / file)))
    return Table(title="Sizes of files", columns=("file", "before", "now"), rows=rows)


def _lists(fitted: Fitted) -> list[list[str]]:
    return [fitted.kept, fitted.cut, fitted.new, fitted.dropped]


def _shapes(weights: list[str], before: Arrays, after: Arrays) -> str:
    """Return the shapes of some weights, the largest first; with `before`, their earlier shapes too."""
    largest = sorted(weights, key=lambda name: -after[name].size)
    shapes = {
        f"{before[name].shape} to {after[name].shape}" if before else f"{after[name].shape}": name for name in largest
    }
    rest = len(shapes) - SHAPES
    return ", ".join(list(shapes)[:SHAPES]) + (f" and {rest} others" if rest > 0 else "")


def _parameters(weights: Arrays) -> int:
    return sum(value.size for value in weights.values())


def _size(path: Path) -> str:
    return f"{path.stat().st_size:,}" if path.is_file() else "-"
