"""Grey images as vectors: each pixel is a number from 0 (black) to 1 (white)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from t2t_mm.data.features.scan import Scan, ScanCodec
from t2t_mm.feature import Arrays, ArraySpec, Codec, FilelessFeature, Port
from t2t_mm.hparam_set import DataHparams


@dataclass(frozen=True)
class Pixels(FilelessFeature):
    """An image of `height` x `width` pixels in raster order. The raw value is the bytes of a PNG or other image file.

    Features with equal `name` share the modality net that reads them.
    """

    name: str
    height: int
    width: int

    def open(self, folder: Path) -> "PixelsCodec":
        return PixelsCodec(self)


class PixelsCodec(Codec):
    """A codec of grey images. A record holds one byte a pixel, as for `Scan`."""

    def __init__(self, feature: Pixels) -> None:
        self.scan = ScanCodec(Scan(feature.height, feature.width))
        self.port = Port("vector", f"vector_{feature.name}", feature.height * feature.width)

    def store(self, value: Any) -> bytes:
        return self.scan.store(value)

    def length(self, stored: bytes) -> int:
        return 1

    def longest(self, hparams: DataHparams) -> int:
        return 1

    def measured(self, length: int) -> str:
        return f"{length:,} images"

    def load(self, stored: bytes, hparams: DataHparams, augment: np.random.Generator | None) -> np.ndarray:
        """Return float32[F] in [0, 1]."""
        return np.frombuffer(stored, np.uint8).astype(np.float32) / np.float32(255)

    def batch(self, values: Sequence[np.ndarray], rows: int, length: int) -> Arrays:
        values_BF = np.zeros((rows, self.port.size), np.float32)
        values_BF[: len(values)] = values
        return {"values": values_BF}

    def spec(self, hparams: DataHparams) -> dict[str, ArraySpec]:
        return {"values": ArraySpec("float32", (None, self.port.size))}

    def value(self, stored: bytes) -> Any:
        return self.scan.value(stored)

    def symbols(self, stored: bytes) -> np.ndarray:
        return np.zeros(0, np.int32)

    def positions(self, length: int, hparams: DataHparams) -> int:
        return 1

    def parse(self, line: str, folder: Path) -> Any:
        """Return the bytes of the file that `line` names, relative to `folder`."""
        return self.scan.parse(line, folder)

    def show(self, output: np.ndarray, source: Any = None) -> str:
        return self.scan.show(output)
