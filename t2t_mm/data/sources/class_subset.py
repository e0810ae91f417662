"""A source limited to some of its classes."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from t2t_mm.problem import Example, Source


@dataclass(frozen=True)
class ClassSubset(Source):
    """The examples of `source` whose targets are in `names`, in the same order and with the same ids."""

    source: Source
    names: tuple[str, ...]

    def present(self, tmp_dir: Path) -> bool:
        return self.source.present(tmp_dir)

    def splits(self, tmp_dir: Path) -> tuple[str, ...]:
        return self.source.splits(tmp_dir)

    def classes(self, tmp_dir: Path) -> tuple[str, ...]:
        return self.names

    def examples(self, split: str, tmp_dir: Path) -> Iterator[Example]:
        return (e for e in self.source.examples(split, tmp_dir) if e.values["targets"] in self.names)

    def notes(self, tmp_dir: Path) -> tuple[str, ...]:
        return self.source.notes(tmp_dir)

    def download_bytes(self, tmp_dir: Path) -> int:
        return self.source.download_bytes(tmp_dir)

    def fetch(self, tmp_dir: Path) -> None:
        self.source.fetch(tmp_dir)
