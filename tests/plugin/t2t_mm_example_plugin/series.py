"""The feature: a series of numbers, stored as float32."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from t2t_mm.errors import UserError
from t2t_mm.feature import Arrays, ArraySpec, Codec, FilelessFeature, Port
from t2t_mm.hparam_set import DataHparams


@dataclass(frozen=True)
class Series(FilelessFeature):
    """Numbers in the order of the readings."""

    def open(self, folder: Path) -> "SeriesCodec":
        return SeriesCodec()


class SeriesCodec(Codec):
    """Codec of series: a record holds the numbers as float32 little-endian."""

    port = Port("series", "series", 0)

    def store(self, value: Any) -> bytes:
        if not len(value):
            raise UserError("A series must hold at least one number; received an empty one.")
        return np.asarray(value, "<f4").tobytes()

    def length(self, stored: bytes) -> int:
        return len(stored) // 4

    def load(self, stored: bytes, hparams: DataHparams, augment: np.random.Generator | None) -> np.ndarray:
        return np.frombuffer(stored, "<f4")

    def batch(self, values: Sequence[np.ndarray], rows: int, length: int) -> Arrays:
        values_BL = np.zeros((rows, length), np.float32)
        lengths_B = np.zeros(rows, np.int32)
        for row, value_L in enumerate(values):
            values_BL[row, : len(value_L)] = value_L
            lengths_B[row] = len(value_L)
        return {"values": values_BL, "lengths": lengths_B}

    def spec(self, hparams: DataHparams) -> dict[str, ArraySpec]:
        return {"values": ArraySpec("float32", (None, None)), "lengths": ArraySpec("int32", (None,))}

    def value(self, stored: bytes) -> Any:
        return np.frombuffer(stored, "<f4")

    def symbols(self, stored: bytes) -> np.ndarray:
        return np.zeros(0, np.int32)

    def positions(self, length: int, hparams: DataHparams) -> int:
        return length

    def parse(self, line: str, folder: Path) -> Any:
        try:
            return [float(number) for number in line.split()]
        except ValueError:
            raise UserError(f"A series must be numbers separated by blanks; received {line.strip()!r}.") from None

    def show(self, output: np.ndarray, source: Any = None) -> str:
        return " ".join(f"{number:g}" for number in output)
