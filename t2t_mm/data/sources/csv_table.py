"""Tables: a file of comma-separated values with the class in the last column."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from t2t_mm.data.sources.hash_split import in_part
from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, TRAIN, Example, Source

ONE_IN = 5  # the share of rows held out; a tenth of a few hundred rows is too few to compare models


@dataclass(frozen=True)
class CsvTable(Source):
    """A CSV file without a header: `columns` values and a class on each line. Empty lines are skipped.

    inputs are the values as a list of strings, targets the class. A fifth of the rows is dev, by hash of their values,
    so equal rows are in one split. Ids are the file's stem and the line, counted from 1: `iris/17`.
    """

    path: str  # below tmp_dir
    columns: int  # without the class
    homepage: str = ""  # where to get the corpus

    def present(self, tmp_dir: Path) -> bool:
        return (tmp_dir / self.path).is_file()

    def splits(self, tmp_dir: Path) -> tuple[str, ...]:
        counts = {split: self.count(split, tmp_dir) for split in (TRAIN, DEV)}
        if not all(counts.values()):
            rows = sum(counts.values())
            raise UserError(f"{tmp_dir / self.path} holds too few rows to hold out a fifth of them by hash: {rows}.")
        return TRAIN, DEV

    def examples(self, split: str, tmp_dir: Path) -> Iterator[Example]:
        path = tmp_dir / self.path
        if not path.is_file():
            source = f" Get it from {self.homepage}." if self.homepage else ""
            raise UserError(f"There is no {path}.{source}")
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError as error:
            raise UserError(f"{path} is not UTF-8: {error}.") from None
        for number, fields in enumerate(csv.reader(lines, skipinitialspace=True), start=1):
            if not fields:
                continue
            if len(fields) != self.columns + 1:
                raise UserError(
                    f"{path} line {number}: expected {self.columns} values and a class. Found: {len(fields)} fields."
                )
            *values, name = (field.strip() for field in fields)
            if in_part(",".join(values), ONE_IN) == (split == DEV):
                yield Example(f"{path.stem}/{number}", {"inputs": values, "targets": name})
