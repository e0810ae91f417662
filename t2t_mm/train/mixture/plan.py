"""The interleaving plan: rate, steps, examples, tokens and epochs of each problem, known before the first step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from t2t_mm.evaluation.table import Table
from t2t_mm.train.mixture.mixer import Mixer, ProblemFacts


@dataclass(frozen=True)
class PlanRow:
    """What one problem gets out of a run."""

    problem: str
    rate: float
    steps: int
    examples: int  # seen, repeats included
    tokens: int  # target tokens seen, repeats included
    epochs: float


def plan_rows(
    mixer: Mixer, problems: Mapping[str, ProblemFacts], train_steps: int, done: int = 0, batches_a_step: int = 1
) -> list[PlanRow]:
    """What each problem gets in the steps after `done` up to `train_steps`, by the losses so far.

    Steps are exact unless rates are adaptive, where losses will move them; the rest are averages of an epoch.
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
    """What each problem gets out of the run, to be read before step 0."""
    total = sum(row.steps for row in rows)
    notes = ["Tokens are target tokens; examples and tokens count every repeat."]
    if scheme == "adaptive":
        notes.append("Rates are those of the start: problem_choice=adaptive moves them with the losses.")
    if scheme == "scheduled":
        notes.append("Rates are the means over these steps, through which problem_schedule moves them.")
    if scheme == "distributed":
        notes.append("Steps are those of all workers, which take a problem each.")
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
