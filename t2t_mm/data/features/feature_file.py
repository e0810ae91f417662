"""Files that t2t-mm-datagen made and features stand on, read back."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from t2t_mm.errors import UserError

T = TypeVar("T")


def read_made(path: Path, what: str, parse: Callable[[str], T]) -> T:
    """What `parse` makes of the text at `path`, which is to be a `what`, such as "list of classes".

    `parse` raises ValueError, KeyError or TypeError for a text that is none. Raises UserError, in a sentence that says
    what to do, for a file that is missing, can't be read or is something else.
    """
    try:
        return parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"No {what} at {path}; t2t-mm-datagen makes it.") from None
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path} is no {what}; remove it and generate the data again.") from None


def lines(text: str) -> list[str]:
    """The lines of a list, each ended by a line feed. Raises ValueError where there are none or the last has no end."""
    *whole, rest = text.split("\n")
    if rest or not whole:
        raise ValueError("a list of lines ends with a line feed")
    return whole
