"""What a person did wrong, said in a sentence: what was asked, what was found, what to do."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """A slip of the user's, in their corpus, flag or file. Commands print it without a traceback and exit with 1."""


class UnknownName(UserError):
    """A name that no registry entry, field, flag or choice answers to."""

    def __init__(self, kind: str, name: str, known: Iterable[str], remedy: str = "") -> None:
        names = sorted(known)
        parts = [
            f"No {kind} is named {name!r}.",
            did_you_mean(name, names),
            f"Known: {', '.join(names) or 'none'}.",
            remedy,
        ]
        super().__init__(" ".join(part for part in parts if part))


class NameTaken(UserError):
    """Two things want one name; both owners are named, so that the reader knows which to rename."""

    def __init__(self, kind: str, name: str, owner: str, newcomer: str) -> None:
        super().__init__(
            f"Two {kind}s are named {name!r}: {owner} and {newcomer}. "
            f"Give one of them another name with register(..., name=...)."
        )


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The nearest known name as a question, or nothing when none is near."""
    close = get_close_matches(name, list(known), n=1)
    return f"Did you mean {close[0]!r}?" if close else ""
