"""Parse mixing rates of problems, written as "name:rate name:rate"; each rate is 0 or more."""

import math
from collections.abc import Iterable, Sequence

from t2t_mm.errors import UnknownName, UserError


def parse_rates(entries: Sequence[str], problems: Iterable[str], what: str, form: str) -> dict[str, float]:
    """Return the rates in `entries`, each "name:rate", not scaled.

    Args:
        entries: such as ["name:rate", "name:rate"].
        problems: the names that may occur.
        what: where the entries are written, for error sentences, such as "problem_rates".
        form: a sentence for errors that says how to write them.

    Raises UserError for an entry of another form, for a name that is not one of `problems` or occurs twice, and if all
    rates are 0.
    """
    known = list(problems)
    rates: dict[str, float] = {}
    for entry in entries:
        name, _, number = entry.partition(":")
        try:
            rate = float(number)
        except ValueError:
            raise UserError(f"{what} contains {entry!r}, which has no rate. {form}") from None
        if name not in known:
            raise UnknownName("problem of this run", name, known, form)
        if name in rates:
            raise UserError(f"{what} gives {name} two rates; write one. {form}")
        if not 0 <= rate < math.inf:
            raise UserError(f"{what} gives {name} the rate {number}; a rate is a finite number of 0 or more. {form}")
        rates[name] = rate
    if rates and not any(rates.values()):
        raise UserError(f"{what} gives every problem the rate 0; one must be above 0. {form}")
    return rates
