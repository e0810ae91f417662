"""The plan of a run's mixture before the first step: rate, steps, examples, tokens and epochs of each problem."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from t2t_mm.evaluation.table import Table
from t2t_mm.train.mixture.mixer import Mixer, ProblemFacts


@dataclass(frozen=True)
class PlanRow:
    """The part of one problem in a run."""

    problem: str
    rate: float
    steps: int
    examples: int  # seen, repeats included
    tokens: int  # target tokens seen, repeats included
    epochs: float


def plan_rows(
    mixer: Mixer, problems: Mapping[str, ProblemFacts], train_steps: int, done: int = 0, batches_a_step: int = 1
) -> list[PlanRow]:
    """Return a row for each problem about the steps after `done` up to `train_steps`, by the losses so far.

    The steps are exact unless the rates are adaptive and change with the losses. Examples and tokens are computed from
    the averages over an epoch.
    """
    counts, rates = mixer.count(done + 1, train_steps), mixer.mean_rates(done + 1, train_steps)
    rows = []
    for name, facts in problems.items():
        epochs = counts[name] * batches_a_step / facts.batches
        rows.append(
            PlanRow(
                problem=name,
                rate=rates[name],
                steps=counts[name],
                examples=round(epochs * facts.examples),
                tokens=round(epochs * facts.tokens),
                epochs=epochs,
            )
        )
    return rows


def plan_table(rows: Sequence[PlanRow], scheme: str) -> Table:
    """Return the plan as a table to print before the first step."""
    total = sum(row.steps for row in rows)
    notes = ["Rate: the problem's share of the steps. Tokens are target tokens. Examples and tokens include repeats."]
    if scheme == "adaptive":
        notes.append("Rates are those at the start: problem_choice=adaptive changes them with the losses.")
    if scheme == "scheduled":
        notes.append("Rates are the means over these steps: problem_schedule changes them from step to step.")
    if scheme == "distributed":
        notes.append("Steps are those of all workers added up: each worker takes a problem of its own.")
    return Table(
        title=f"Plan: {total:,} steps, problem_choice={scheme}",
        columns=("problem", "rate", "steps", "examples", "tokens", "epochs"),
        rows=[
            (
                row.problem,
                f"{row.rate:.3f}",
                f"{row.steps:,}",
                f"{row.examples:,}",
                f"{row.tokens:,}",
                f"{row.epochs:.2f}",
            )
            for row in rows
        ],
        notes=notes,
    )
