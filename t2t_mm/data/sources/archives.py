"""What a damaged .gz or .zip raises while it is read, said in a sentence."""

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
    """Turns what the reading of `path`, or of a `member` of it, raises into a UserError that names them.

    So for what is cut off or damaged, and for members of a zip file that want a password or were packed by a method
    that zipfile does not know.
    """
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zipfile.BadZipFile, zlib.error, lzma.LZMAError) as error:
        if member:
            raise UserError(f"{path}: {member} cannot be read ({error}); fetch the archive again.") from None
        kind = KINDS.get(path.suffix.lower(), "archive")
        raise UserError(f"{path} is no whole {kind} ({error}); fetch it again.") from None
    except RuntimeError as error:  # zipfile's, NotImplementedError among them
        where = f"{path}: {member}" if member else str(path)
        said = str(error).rstrip(".")
        raise UserError(
            f"{where} cannot be read ({said}); unpack it and zip it anew, by deflate, without a password."
        ) from None
