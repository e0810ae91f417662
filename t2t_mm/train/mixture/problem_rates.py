"""Rates of problems as people write them: "name:rate name:rate", a rate of 0 or more for each."""

import math
from collections.abc import Iterable, Sequence

from t2t_mm.errors import UnknownName, UserError


def parse_rates(entries: Sequence[str], problems: Iterable[str], what: str, form: str) -> dict[str, float]:
    """The rates in `entries`, each "name:rate", not scaled; `what` holds them, in the words of errors, as `form` says.

    Raises UserError for an entry that is none, a name that is not among `problems` or comes twice, or rates of 0 alone.
    """
    known = list(problems)
    rates: dict[str, float] = {}
    for entry in entries:
        name, _, number = entry.partition(":")
        try:
            rate = float(number)
        except ValueError:
            raise UserError(f"{what} holds {entry!r}, which gives no rate. {form}") from None
        if name not in known:
            raise UnknownName("problem of this run", name, known, form)
        if name in rates:
            raise UserError(f"{what} gives {name} two rates. {form}")
        if not 0 <= rate < math.inf:
            raise UserError(f"{what} gives {name} the rate {number}. {form}")
        rates[name] = rate
    if rates and not any(rates.values()):
        raise UserError(f"{what} gives every problem the rate 0. {form}")
    return rates
