"""Read back the files of features that t2t-mm-datagen made."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from t2t_mm.errors import UserError

T = TypeVar("T")


def read_feature_file(path: Path, what: str, parse: Callable[[str], T]) -> T:
    """Return `parse` of the text of the file `path`. `what` names its expected content, such as "list of classes".

    `parse` raises ValueError, KeyError or TypeError for other content. Raises UserError, with what to do, for a file
    that is missing, cannot be read or has other content.
    """
    try:
        return parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"No {what} at {path}; t2t-mm-datagen makes it.") from None
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path} is not a {what}. Remove it and generate the data again.") from None


def split_lines(text: str) -> list[str]:
    """Return the lines of a list.

    Each must end with a line feed. Raises ValueError if there are none or one has no end.
    """
    *complete, rest = text.split("\n")
    if rest or not complete:
        raise ValueError("a list of lines ends with a line feed")
    return complete
