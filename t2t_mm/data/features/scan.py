"""Pictures as sequences: one grey pixel after another, or one row after another."""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow

from t2t_mm.data.features.image import ImageCodec
from t2t_mm.data.features.input_file import read_named
from t2t_mm.errors import UserError
from t2t_mm.feature import Arrays, ArraySpec, Codec, FilelessFeature, Port
from t2t_mm.hparam_set import DataHparams


@dataclass(frozen=True)
class Scan(FilelessFeature):
    """A grey picture of `height` x `width` pixels in raster order; the raw value is the bytes of a PNG or other file.

    A moment is a pixel, or with `by_row` a row. With `order`, moments come in an order drawn from that name: the same
    permutation for every picture, on every machine.
    """

    height: int
    width: int
    by_row: bool = False
    order: str = ""

    def open(self, folder: Path) -> "ScanCodec":
        return ScanCodec(self)


class ScanCodec(Codec):
    """A scan stands in a record as its pixels in raster order, a byte each."""

    def __init__(self, feature: Scan) -> None:
        self.feature = feature
        self.shape = (feature.height, feature.width) if feature.by_row else (feature.height * feature.width, 1)
        self.port = Port("scan", f"scan_{self.shape[1]}", self.shape[1])
        self.order_L = permutation(feature.order, self.shape[0]) if feature.order else np.arange(self.shape[0])

    def store(self, value: Any) -> bytes:
        ImageCodec().store(value)  # refuses what is no picture
        with Pillow.open(io.BytesIO(value)) as picture:
            if (picture.height, picture.width) != (self.feature.height, self.feature.width):
                raise UserError(
                    f"Pictures of {self.feature.height} x {self.feature.width} pixels are read here. "
                    f"Received: one of {picture.height} x {picture.width}."
                )
            return picture.convert("L").tobytes()

    def length(self, stored: bytes) -> int:
        return self.shape[0]

    def longest(self, hparams: DataHparams) -> int:
        return self.shape[0]

    def measured(self, length: int) -> str:
        return f"{length:,} moments"

    def load(self, stored: bytes, hparams: DataHparams, augment: np.random.Generator | None) -> np.ndarray:
        """uint8[L, C]: C numbers in each of L moments."""
        return np.frombuffer(stored, np.uint8).reshape(self.shape)[self.order_L]

    def batch(self, values: Sequence[np.ndarray], rows: int, length: int) -> Arrays:
        values_BLC = np.zeros((rows, *self.shape), np.uint8)
        values_BLC[: len(values)] = values
        lengths_B = np.where(np.arange(rows) < len(values), self.shape[0], 0).astype(np.int32)
        return {"values": values_BLC, "lengths": lengths_B}

    def spec(self, hparams: DataHparams) -> dict[str, ArraySpec]:
        return {"values": ArraySpec("uint8", (None, *self.shape)), "lengths": ArraySpec("int32", (None,))}

    def value(self, stored: bytes) -> Any:
        """The bytes of a PNG."""
        file = io.BytesIO()
        size = (self.feature.width, self.feature.height)
        Pillow.frombytes("L", size, stored).save(file, "PNG")
        return file.getvalue()

    def symbols(self, stored: bytes) -> np.ndarray:
        return np.zeros(0, np.int32)

    def positions(self, length: int, hparams: DataHparams) -> int:
        return length

    def parse(self, line: str, folder: Path) -> Any:
        """The bytes of the file that `line` names, relative to `folder`."""
        return read_named(line, folder, "picture")

    def show(self, output: np.ndarray, source: Any = None) -> str:
        return f"a picture of {self.feature.height}x{self.feature.width}"


def permutation(name: str, count: int) -> np.ndarray:
    """int[count]: every number below `count` once, in an order that depends on `name` alone.

    Numbers are sorted by a hash, so that no version of NumPy draws another order for a model that was trained on this.
    """
    return np.array(sorted(range(count), key=lambda n: hashlib.sha256(f"{name} {n}".encode()).digest()))
