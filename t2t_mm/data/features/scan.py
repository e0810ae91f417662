"""Grey images as sequences: one pixel, or one row of pixels, at each time step."""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow

from t2t_mm.data.features.image import ImageCodec
from t2t_mm.data.features.input_file import read_input_file
from t2t_mm.errors import UserError
from t2t_mm.feature import Arrays, ArraySpec, Codec, FilelessFeature, Port
from t2t_mm.hparam_set import DataHparams


@dataclass(frozen=True)
class Scan(FilelessFeature):
    """A grey image of `height` x `width` pixels in raster order.

    The raw value is the bytes of a PNG or other image file.

    A time step is a pixel, or a row with `by_row`. With `order`, the time steps are permuted. The permutation is a
    function of that name: the same for every image, on every machine.
    """

    height: int
    width: int
    by_row: bool = False
    order: str = ""

    def open(self, folder: Path) -> "ScanCodec":
        return ScanCodec(self)


class ScanCodec(Codec):
    """A codec of scans. A record holds the pixels in raster order, one byte each."""

    def __init__(self, feature: Scan) -> None:
        self.feature = feature
        self.shape = (feature.height, feature.width) if feature.by_row else (feature.height * feature.width, 1)
        self.port = Port("scan", f"scan_{self.shape[1]}", self.shape[1])
        self.order_L = permutation(feature.order, self.shape[0]) if feature.order else np.arange(self.shape[0])

    def store(self, value: Any) -> bytes:
        ImageCodec().store(value)  # raises UserError if it is not an image
        with Pillow.open(io.BytesIO(value)) as image:
            if (image.height, image.width) != (self.feature.height, self.feature.width):
                raise UserError(
                    f"Expected an image of {self.feature.height} x {self.feature.width} pixels, "
                    f"received one of {image.height} x {image.width}."
                )
            return image.convert("L").tobytes()

    def length(self, stored: bytes) -> int:
        return self.shape[0]

    def longest(self, hparams: DataHparams) -> int:
        return self.shape[0]

    def measured(self, length: int) -> str:
        return f"{length:,} time steps"

    def load(self, stored: bytes, hparams: DataHparams, augment: np.random.Generator | None) -> np.ndarray:
        """Return uint8[L, C]: C numbers at each of L time steps."""
        return np.frombuffer(stored, np.uint8).reshape(self.shape)[self.order_L]

    def batch(self, values: Sequence[np.ndarray], rows: int, length: int) -> Arrays:
        values_BLC = np.zeros((rows, *self.shape), np.uint8)
        values_BLC[: len(values)] = values
        lengths_B = np.where(np.arange(rows) < len(values), self.shape[0], 0).astype(np.int32)
        return {"values": values_BLC, "lengths": lengths_B}

    def spec(self, hparams: DataHparams) -> dict[str, ArraySpec]:
        return {"values": ArraySpec("uint8", (None, *self.shape)), "lengths": ArraySpec("int32", (None,))}

    def value(self, stored: bytes) -> Any:
        """Return the bytes of a PNG."""
        file = io.BytesIO()
        size = (self.feature.width, self.feature.height)
        Pillow.frombytes("L", size, stored).save(file, "PNG")
        return file.getvalue()

    def symbols(self, stored: bytes) -> np.ndarray:
        return np.zeros(0, np.int32)

    def positions(self, length: int, hparams: DataHparams) -> int:
        return length

    def parse(self, line: str, folder: Path) -> Any:
        """Return the bytes of the file that `line` names, relative to `folder`."""
        return read_input_file(line, folder, "image")

    def show(self, output: np.ndarray, source: Any = None) -> str:
        return f"an image of {self.feature.height}x{self.feature.width}"


def permutation(name: str, count: int) -> np.ndarray:
    """Return int[count], a permutation of the numbers below `count` that depends on `name` alone.

    The numbers are sorted by a hash, so no version of NumPy gives another permutation to a trained model.
    """
    return np.array(sorted(range(count), key=lambda n: hashlib.sha256(f"{name} {n}".encode()).digest()))
