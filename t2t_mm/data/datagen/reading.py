"""Tell apart the operating system's errors while a corpus is read from those while records are written."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from t2t_mm.errors import UserError
from t2t_mm.problem import Example, Source


@contextmanager
def reading(tmp_dir: Path) -> Iterator[None]:
    """Within this context, turn an OSError (broken link, no permission, bad disk) into a UserError naming the file."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"The corpus below {tmp_dir} can't be read: {error}. Check that this file is complete, is of the kind that "
            f"its name says, and may be read by you."
        ) from None


def examples_from(source: Source, split: str, tmp_dir: Path, start: int) -> Iterator[Example]:
    """Yield `source.examples_from` within `reading`. An OSError of the code that takes the examples is not changed."""
    with reading(tmp_dir):
        yield from source.examples_from(split, tmp_dir, start)
