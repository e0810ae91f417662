"""The bytes of a file that a line of input names."""

from pathlib import Path

from t2t_mm.errors import UserError

MOST_BYTES = 2**28  # of a picture or sound: what is larger is more likely a mistake, and no reason to fill the memory


def read_named(line: str, folder: Path, kind: str) -> bytes:
    """The bytes of the file that `line` names, relative to `folder`; `kind` says what it should hold.

    Raises UserError for what is no regular file, is larger than MOST_BYTES or can't be read.
    """
    path = folder / line.strip()
    try:
        if path.exists() and not path.is_file():
            raise UserError(f"The {kind} {path} is no file.")
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise UserError(f"The {kind} {path} has {size:,} bytes; up to {MOST_BYTES:,} are read.")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise UserError(f"The {kind} {path} can't be read: {getattr(error, 'strerror', None) or error}.") from None
