"""Rows of a table as vectors of numbers, standardised by the statistics of the training rows."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from t2t_mm.atomic_file import atomic_write
from t2t_mm.data.features.feature_file import read_feature_file
from t2t_mm.errors import UserError
from t2t_mm.feature import Arrays, ArraySpec, Codec, Feature, Port
from t2t_mm.hparam_set import DataHparams

MISSING = "?"


@dataclass(frozen=True)
class Vector(Feature):
    """A row of a table.

    The raw value is its fields (texts or numbers) in the order of `columns`, with "?" for a missing one.

    Fields of the columns in `categories` are names; all other fields are numbers. Features with equal `name` share the
    file of statistics and the modality net.
    """

    modality = "vector"
    name: str
    columns: tuple[str, ...]
    categories: tuple[str, ...] = ()

    def sample(self, value: Any) -> str:
        return ",".join(check_fields(value, self.columns, self.categories))

    def prepare(
        self, data_dir: Path, sharing: Sequence[Feature], samples: Mapping[str, Iterable[str]], seed: int, report: Any
    ) -> None:
        (file,) = self.files()
        path = data_dir / file
        if path.exists():
            return
        rows = [line.split(",") for lines in samples.values() for line in lines]
        if not rows:
            raise UserError(f"There are no training rows of {', '.join(samples)} to compute statistics from.")
        columns = [
            statistics(name, [field for field in fields if field != MISSING], name in self.categories)
            for name, fields in zip(self.columns, zip(*rows, strict=True), strict=True)
        ]
        with atomic_write(path) as partial:
            partial.write_text(json.dumps({"columns": columns}, indent=1) + "\n", encoding="utf-8", newline="\n")
        report(f"{file}: means and deviations of {len(rows):,} training rows of {', '.join(samples)}.")

    def files(self) -> tuple[str, ...]:
        return (f"vector.{self.name}.json",)

    def open(self, folder: Path) -> "VectorCodec":
        return VectorCodec(self, read_feature_file(folder / self.files()[0], "table of columns", self._columns))

    def _columns(self, text: str) -> list[dict[str, Any]]:
        """Return the `statistics` of each column. Raises ValueError, KeyError or TypeError for other content."""
        columns = json.loads(text)["columns"]
        if tuple(column["name"] for column in columns) != self.columns:
            raise ValueError("other columns")
        for column in columns:
            if column["name"] in self.categories:
                values = column["values"]
                valid = isinstance(values, list) and all(isinstance(name, str) for name in values)
            else:
                valid = math.isfinite(column["mean"]) and 0 < column["deviation"] < math.inf
            if not valid:
                raise ValueError(f"{column['name']} is not a valid column")
        return columns


def statistics(name: str, fields: Sequence[str], category: bool) -> dict[str, Any]:
    """Return the statistics of a column's known fields: the sorted names, or mean and (population) standard deviation.

    The deviation of a column that does not vary, or has no known field, is 1. The mean of a column without known fields
    is 0.
    """
    if category:
        return {"name": name, "values": sorted(set(fields))}
    numbers = np.array([float(field) for field in fields]) if fields else np.zeros(1)
    varies = bool(numbers.min() < numbers.max())
    return {"name": name, "mean": float(numbers.mean()), "deviation": float(numbers.std()) if varies else 1.0}


def check_fields(value: Any, columns: Sequence[str], categories: Sequence[str]) -> list[str]:
    """Return the fields of a row as text. Raises UserError for too few or too many fields, and for an invalid one."""
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) != len(columns):
        raise UserError(f"A row must have {len(columns)} fields: {', '.join(columns)}. Received: {value!r:.100}.")
    fields = [str(field).strip() for field in value]
    for column, field in zip(columns, fields, strict=True):
        if field != MISSING and column not in categories and not _is_number(field):
            raise UserError(f"{column} must be a number, or {MISSING} if it is not known. Received: {field!r:.40}.")
        if not field or "," in field or "\n" in field:
            raise UserError(f"{column} must be a name without commas, or {MISSING}. Received: {field!r:.40}.")
    return fields


def _is_number(field: str) -> bool:
    try:
        return math.isfinite(float(field))
    except ValueError:
        return False


class VectorCodec(Codec):
    """A codec of table rows. A record holds the fields, joined by commas.

    A number is read as (x - mean) / deviation, and as 0 if it is missing. A name is read as a one-hot vector, and as
    zeros if it is missing or occurs in no training row.
    """

    def __init__(self, feature: Vector, columns: Sequence[Mapping[str, Any]]) -> None:
        self.feature, self.columns = feature, columns
        size = sum(len(column.get("values", "1")) for column in columns)
        self.port = Port("vector", f"vector_{feature.name}", size)

    def store(self, value: Any) -> bytes:
        return ",".join(check_fields(value, self.feature.columns, self.feature.categories)).encode()

    def length(self, stored: bytes) -> int:
        return 1

    def longest(self, hparams: DataHparams) -> int:
        return 1

    def measured(self, length: int) -> str:
        return f"{length:,} rows"

    def load(self, stored: bytes, hparams: DataHparams, augment: np.random.Generator | None) -> np.ndarray:
        """Return float32[F]."""
        numbers: list[float] = []
        for column, field in zip(self.columns, self.value(stored), strict=True):
            if "values" in column:
                numbers += [float(field == name) for name in column["values"]]
            else:
                numbers.append(0.0 if field == MISSING else (float(field) - column["mean"]) / column["deviation"])
        return np.array(numbers, np.float32)

    def batch(self, values: Sequence[np.ndarray], rows: int, length: int) -> Arrays:
        values_BF = np.zeros((rows, self.port.size), np.float32)
        values_BF[: len(values)] = values
        return {"values": values_BF}

    def spec(self, hparams: DataHparams) -> dict[str, ArraySpec]:
        return {"values": ArraySpec("float32", (None, self.port.size))}

    def value(self, stored: bytes) -> list[str]:
        return stored.decode().split(",")

    def symbols(self, stored: bytes) -> np.ndarray:
        return np.zeros(0, np.int32)

    def positions(self, length: int, hparams: DataHparams) -> int:
        return 1

    def parse(self, line: str, folder: Path) -> Any:
        """Return the fields of a line, joined by commas as in the file of the table."""
        return line.strip().split(",")

    def show(self, output: np.ndarray, source: Any = None) -> str:
        """Return the fields with their names, computed back from the standardised numbers.

        A number is shown with four digits; a missing one is shown as the mean.
        """
        shown, place = [], 0
        for column in self.columns:
            values = column.get("values")
            part = np.asarray(output)[place : place + (1 if values is None else len(values))]
            place += len(part)
            if values is None:
                number = column["mean"] + float(part[0]) * column["deviation"]
                noise = 1e-6 * (abs(column["mean"]) + column["deviation"])  # rounding of float32, if the sum is zero
                shown.append(f"{column['name']}={number if abs(number) > noise else 0.0:.4g}")
            else:
                shown.append(f"{column['name']}={values[int(part.argmax())] if part.any() else MISSING}")
        return ", ".join(shown)
