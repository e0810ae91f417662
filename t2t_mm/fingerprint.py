"""Whether two files are the same: a name for what a file holds."""

import hashlib
from pathlib import Path


def fingerprint(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
