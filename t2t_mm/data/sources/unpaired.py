"""Things of which a corpus must not have one without the other: a picture and its captions, a sound and its words."""

from collections.abc import Sequence

from t2t_mm.errors import UserError


def refuse_unpaired(broken: Sequence[str], remedy: str) -> None:
    """Raise UserError if anything is `broken`: its first sentence, how many there are more, and what to do.

    A sentence comes without its full stop and names the file and line, or the item, at fault.
    """
    if broken:
        more = f" ({len(broken) - 1:,} more like it)" if len(broken) > 1 else ""
        raise UserError(f"{broken[0]}{more}. {remedy}")
