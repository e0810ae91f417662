"""Read the JSON files of a corpus, and check the text in them."""

import json
from pathlib import Path
from typing import Any

from t2t_mm.errors import UserError


def read_json(path: Path) -> Any:
    """Return the content of a JSON file. Raises UserError if it is cut off, is not JSON, or is nested too deeply."""
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise UserError(f"{path} is not a complete JSON file ({error}); download it again.") from None
    except RecursionError:
        raise UserError(f"{path} nests lists or objects too deeply to be read; download it again.") from None


def refuse_half_characters(text: str, where: str) -> None:
    """Raise UserError, naming `where`, for half of a surrogate pair (`\\ud83d`), which JSON can contain."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        half = f"\\u{ord(text[error.start]):04x}"
        raise UserError(
            f"{where} holds {half}, half of a character, at place {error.start + 1}. Correct it or download it again."
        ) from None
