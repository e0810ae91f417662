"""Turn the errors of a damaged .gz or .zip file into sentences."""

import gzip
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from t2t_mm.errors import UserError

KINDS = {".gz": "gzip file", ".zip": "zip file"}


@contextmanager
def readable(path: Path, member: str = "") -> Iterator[None]:
    """Within this context, turn errors while reading `path`, or a `member` of it, into a UserError that names them.

    It covers files that are cut off or damaged, and members of a zip file that need a password or use a compression
    method that zipfile does not support.
    """
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zipfile.BadZipFile, zlib.error, lzma.LZMAError) as error:
        if member:
            raise UserError(f"{path}: {member} cannot be read ({error}); download the archive again.") from None
        kind = KINDS.get(path.suffix.lower(), "archive")
        raise UserError(f"{path} is not a complete {kind} ({error}); download it again.") from None
    except RuntimeError as error:  # from zipfile; includes NotImplementedError
        where = f"{path}: {member}" if member else str(path)
        message = str(error).rstrip(".")
        raise UserError(
            f"{where} cannot be read ({message}). Unpack it and zip it again with deflate and without a password."
        ) from None
