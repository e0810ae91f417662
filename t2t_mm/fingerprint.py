"""Fingerprints of files: two files with the same fingerprint have the same content."""

import hashlib
from pathlib import Path


def fingerprint(path: Path) -> str:
    """Return the sha256 of the content of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
