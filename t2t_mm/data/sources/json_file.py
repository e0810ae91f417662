"""JSON files of a corpus, and the text in them."""

import json
from pathlib import Path
from typing import Any

from t2t_mm.errors import UserError


def read_json(path: Path) -> Any:
    """What a JSON file holds. Raises UserError for one that is cut off, is no JSON, or nests without end."""
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise UserError(f"{path} is no whole JSON file ({error}); fetch it again.") from None
    except RecursionError:
        raise UserError(
            f"{path} nests more lists or objects in one another than can be read; fetch it again."
        ) from None


def refuse_half_characters(text: str, where: str) -> None:
    r"""Raise UserError, naming `where`, for half of a surrogate pair (`\ud83d`), which JSON can hold."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        half = f"\\u{ord(text[error.start]):04x}"
        raise UserError(
            f"{where} holds {half}, half of a character, at place {error.start + 1}. Correct it or fetch it again."
        ) from None
