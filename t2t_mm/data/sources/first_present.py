"""A corpus that may be present in one of several layouts."""

from collections.abc import Iterator
from pathlib import Path

from t2t_mm.errors import UserError
from t2t_mm.problem import Example, Source


class FirstPresent(Source):
    """The first of `sources` that is present. If none is, the error names every path and layout."""

    def __init__(self, *sources: Source) -> None:
        self.sources = sources

    def present(self, tmp_dir: Path) -> bool:
        return any(source.present(tmp_dir) for source in self.sources)

    def splits(self, tmp_dir: Path) -> tuple[str, ...]:
        return self._chosen(tmp_dir).splits(tmp_dir)

    def classes(self, tmp_dir: Path) -> tuple[str, ...]:
        return self._chosen(tmp_dir).classes(tmp_dir)

    def examples(self, split: str, tmp_dir: Path) -> Iterator[Example]:
        return self._chosen(tmp_dir).examples(split, tmp_dir)

    def count(self, split: str, tmp_dir: Path) -> int:
        return self._chosen(tmp_dir).count(split, tmp_dir)

    def examples_from(self, split: str, tmp_dir: Path, start: int) -> Iterator[Example]:
        return self._chosen(tmp_dir).examples_from(split, tmp_dir, start)

    def notes(self, tmp_dir: Path) -> tuple[str, ...]:
        return self._chosen(tmp_dir).notes(tmp_dir)

    def download_bytes(self, tmp_dir: Path) -> int:
        """Return the download size of the first source that would download anything."""
        if self.present(tmp_dir):
            return 0
        return next(filter(None, (source.download_bytes(tmp_dir) for source in self.sources)), 0)

    def fetch(self, tmp_dir: Path) -> None:
        """Let each source in turn fetch its corpus, until one is present.

        A UserError of one names the layouts of all.
        """
        for source in self.sources:
            if not self.present(tmp_dir):
                try:
                    source.fetch(tmp_dir)
                except UserError as error:
                    raise UserError(
                        f"{error}\nAlternatively, provide one of these:\n  {self._missing(tmp_dir)}"
                    ) from error

    def _chosen(self, tmp_dir: Path) -> Source:
        for source in self.sources:
            if source.present(tmp_dir):
                return source
        raise UserError(f"The corpus was found in none of its layouts:\n  {self._missing(tmp_dir)}")

    def _missing(self, tmp_dir: Path) -> str:
        """Return the error of each layout, one on each line."""
        messages = []
        for source in self.sources:
            try:
                source.splits(tmp_dir)
            except UserError as error:
                messages.append(str(error))
        return "\n  ".join(messages)
