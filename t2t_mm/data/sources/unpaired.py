"""Reject items without their counterpart: an image without captions, an audio file without a transcript."""

from collections.abc import Sequence

from t2t_mm.errors import UserError


def refuse_unpaired(broken: Sequence[str], remedy: str) -> None:
    """Raise UserError if `broken` is not empty: its first sentence, the number of further ones, and the remedy.

    A sentence has no full stop and names the file and line, or the item, that is invalid.
    """
    if broken:
        more = f" ({len(broken) - 1:,} more like it)" if len(broken) > 1 else ""
        raise UserError(f"{broken[0]}{more}. {remedy}")
