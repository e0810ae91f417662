"""What the system refuses while a corpus is read, told apart from what it refuses while records are written."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from t2t_mm.errors import UserError
from t2t_mm.problem import Example, Source


@contextmanager
def reading(tmp_dir: Path) -> Iterator[None]:
    """Turns an OSError of a source into a UserError that names the file: a broken link, no permission, a bad disk."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"The corpus below {tmp_dir} can't be read: {error}. See that what is named there is whole, is what its "
            f"name says and may be read."
        ) from None


def examples_from(source: Source, split: str, tmp_dir: Path, start: int) -> Iterator[Example]:
    """The source's `examples_from`, `reading`; an OSError of whoever takes the examples stays what it is."""
    with reading(tmp_dir):
        yield from source.examples_from(split, tmp_dir, start)
