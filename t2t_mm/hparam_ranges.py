"""Ranges for an hparam search: for each hparam by name, the values that a trial may take.

A set of ranges is a registered function that returns them:

    @HPARAM_RANGES.register
    def my_range() -> Ranges:
        \"\"\"Learning rate and width of my model.\"\"\"
        return {"learning_rate": Floats(0.1, 3.0, log=True), "hidden_size": Choice(64, 128, 256)}
"""

from collections.abc import Mapping
from dataclasses import dataclass

from t2t_mm.errors import UserError
from t2t_mm.hparam_set import HparamSet

Value = bool | int | float | str


@dataclass(frozen=True, init=False)
class Choice:
    """One of several values."""

    values: tuple[Value, ...]

    def __init__(self, *values: Value) -> None:
        if not values:
            raise ValueError("a Choice needs at least one value")
        object.__setattr__(self, "values", values)


@dataclass(frozen=True)
class Floats:
    """A number from `least` to `most`; with `log`, drawn uniformly in its logarithm."""

    least: float
    most: float
    log: bool = False

    def __post_init__(self) -> None:
        _check(self.least, self.most, self.log)


@dataclass(frozen=True)
class Ints:
    """An integer from `least` to `most`, both included; with `log`, drawn uniformly in its logarithm."""

    least: int
    most: int
    log: bool = False

    def __post_init__(self) -> None:
        _check(self.least, self.most, self.log)


Range = Choice | Floats | Ints
Ranges = Mapping[str, Range]


def ends(values: Range) -> tuple[Value, ...]:
    """Return the values to test if an hparam takes the range: every choice, or the least and the most."""
    return values.values if isinstance(values, Choice) else (values.least, values.most)


def check_ranges(ranges: Ranges, hparams: HparamSet) -> None:
    """Raise UserError for a range of an hparam that `hparams` does not have, or with values that it does not take."""
    for name, values in ranges.items():
        for value in ends(values):
            hparams.with_values({name: written(value)})


def changes(values: Mapping[str, Value]) -> str:
    """Return `values` as --hparams takes them: "name=value,name=value"."""
    return ",".join(f"{name}={written(value)}" for name, value in values.items())


def written(value: Value) -> str:
    """Return `value` as --hparams takes it. Raises UserError for text with a comma, which separates changes there."""
    text = str(value)
    if "," in text:
        raise UserError(
            f"A range holds the value {text!r}. --hparams cannot take text with a comma; use a value without one."
        )
    return text


def _check(least: float, most: float, log: bool) -> None:
    if not least < most or (log and least <= 0):
        raise ValueError(f"a range needs least < most, and with log also least > 0; received {least} to {most}")
