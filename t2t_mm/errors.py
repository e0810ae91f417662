"""Errors for mistakes of the user: each is a sentence that says what was requested, what was found and what to do."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """A mistake of the user, in a corpus, flag or file. Commands print it without a traceback and exit with 1."""


class UnknownName(UserError):
    """A name that no registry entry, field, flag or choice has."""

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
    """One name for two things. The message names both owners, so that the reader knows which one to rename."""

    def __init__(self, kind: str, name: str, owner: str, newcomer: str) -> None:
        super().__init__(
            f"Two {kind}s are named {name!r}: {owner} and {newcomer}. "
            f"Give one of them another name with register(..., name=...)."
        )


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return "Did you mean ...?" with the nearest known name, or "" if no known name is near."""
    close = get_close_matches(name, list(known), n=1)
    return f"Did you mean {close[0]!r}?" if close else ""
