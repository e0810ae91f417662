"""Read a file that a line of input names."""

from pathlib import Path

from t2t_mm.errors import UserError

MOST_BYTES = 2**28  # of an image or audio file; a larger file is probably a mistake


def read_input_file(line: str, folder: Path, kind: str) -> bytes:
    """Return the bytes of the file that `line` names, relative to `folder`. `kind` is its expected content, for errors.

    Raises UserError if it is not a regular file, is larger than MOST_BYTES or cannot be read.
    """
    path = folder / line.strip()
    try:
        if path.exists() and not path.is_file():
            raise UserError(f"The {kind} {path} is not a regular file.")
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise UserError(f"The {kind} {path} has {size:,} bytes; the limit is {MOST_BYTES:,}.")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise UserError(f"The {kind} {path} can't be read: {getattr(error, 'strerror', None) or error}.") from None
