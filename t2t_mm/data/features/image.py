"""Pictures: kept as they were encoded, decoded and resized when a batch is made."""

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow

from t2t_mm.data.features.input_file import read_named
from t2t_mm.errors import UserError
from t2t_mm.feature import Arrays, ArraySpec, Codec, FilelessFeature, Port
from t2t_mm.hparam_set import DataHparams

MOST_PIXELS = 89_000_000  # of a picture: what is larger is more likely a bomb or a mistake than a picture
TOO_LARGE = f"The picture has more than {MOST_PIXELS // 10**6} million pixels."

# Markers of a JPEG file (ISO/IEC 10918-1, annex B).
JPEG_START = b"\xff\xd8"
JPEG_END = b"\xff\xd9"
JPEG_FRAMES = (0xC0, 0xC1, 0xC2)  # start-of-frame markers in common use: baseline, extended, progressive
JPEG_SCAN = 0xDA  # start of scan: the image data begin here
JPEG_BITS, JPEG_COMPONENTS = 8, (1, 3, 4)  # bits of a sample; grey, RGB or CMYK


@dataclass(frozen=True)
class Image(FilelessFeature):
    """A colour picture; the raw value is the bytes of a JPEG, PNG or other file that Pillow reads."""

    def open(self, folder: Path) -> "ImageCodec":
        return ImageCodec()


class ImageCodec(Codec):
    """A picture stands in a record as the bytes of its file."""

    port = Port("image", "image", 0)

    def store(self, value: Any) -> bytes:
        """The bytes as they are, once they have proved to be a picture that was not cut off.

        A usual JPEG proves it by its head and its end marker: to decode it would cost ten times as much as all else
        that is done to it. Damage in between is found when it is loaded (`corrupt_record`, `--check`).
        """
        if not isinstance(value, bytes):
            raise UserError(f"A picture is the bytes of its file; received {type(value).__name__}: {value!r:.60}.")
        height, width = jpeg_size(value) or _decoded_size(value)
        if height * width > MOST_PIXELS:
            raise UserError(TOO_LARGE)
        return value

    def length(self, stored: bytes) -> int:
        return 1

    def longest(self, hparams: DataHparams) -> int:
        return 1

    def load(self, stored: bytes, hparams: DataHparams, augment: np.random.Generator | None) -> np.ndarray:
        """uint8[size, size, 3]: resized without regard to proportions; in training shifted and mirrored at random."""
        size = hparams.image_size
        opened = Pillow.open(io.BytesIO(stored))
        opened.draft("RGB", (size, size))
        picture = opened.convert("RGBA") if "transparency" in opened.info else opened
        small = picture.convert("RGB").resize((size, size), Pillow.Resampling.BILINEAR)
        pixels_HWC = np.asarray(small, np.uint8)
        if augment is None or not hparams.image_augment:
            return pixels_HWC
        return shift_and_mirror(pixels_HWC, augment)

    def batch(self, values: Sequence[np.ndarray], rows: int, length: int) -> Arrays:
        pixels_BHWC = np.zeros((rows, *values[0].shape), np.uint8)
        pixels_BHWC[: len(values)] = values
        return {"pixels": pixels_BHWC}

    def spec(self, hparams: DataHparams) -> dict[str, ArraySpec]:
        return {"pixels": ArraySpec("uint8", (None, hparams.image_size, hparams.image_size, 3))}

    def value(self, stored: bytes) -> Any:
        return stored

    def symbols(self, stored: bytes) -> np.ndarray:
        return np.zeros(0, np.int32)

    def positions(self, length: int, hparams: DataHparams) -> int:
        return int(-(-hparams.image_size // hparams.image_patch)) ** 2

    def parse(self, line: str, folder: Path) -> Any:
        """The bytes of the file that `line` names, relative to `folder`."""
        return read_named(line, folder, "picture")

    def show(self, output: np.ndarray, source: Any = None) -> str:
        return f"a picture of {'x'.join(map(str, np.shape(output)))}"


def jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Return height and width in pixels of a common JPEG that is complete to its end marker; None for anything else.

    The image is not decoded. The segments of the header (marker, length, content) are read one after the other.
    """
    if not (data.startswith(JPEG_START) and data.endswith(JPEG_END)):
        return None
    size, place, last = None, len(JPEG_START), len(data) - 10
    while place < last and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == JPEG_SCAN:
            return size
        if marker in JPEG_FRAMES and data[place + 4] == JPEG_BITS and data[place + 9] in JPEG_COMPONENTS:
            height, width = int.from_bytes(data[place + 5 : place + 7]), int.from_bytes(data[place + 7 : place + 9])
            size = (height, width) if height and width else None
        place += 2 + int.from_bytes(data[place + 2 : place + 4])
    return None


def _decoded_size(value: bytes) -> tuple[int, int]:
    """Height and width of a picture of any kind that can be decoded whole."""
    try:
        with warnings.catch_warnings(action="error", category=Pillow.DecompressionBombWarning):
            picture = Pillow.open(io.BytesIO(value))
            if picture.height * picture.width <= MOST_PIXELS:
                picture.load()
    except (Pillow.DecompressionBombWarning, Pillow.DecompressionBombError):
        raise UserError(TOO_LARGE) from None
    except Exception as error:  # of every kind: each of Pillow's readers breaks on a broken file in its own way
        found = f"{len(value):,} bytes that begin with {value[:8]!r}"
        reason = str(error).partition(" <_io.BytesIO")[0]  # what follows names an object in memory
        raise UserError(f"This is no picture that can be read: {found} ({reason}).") from None
    return picture.height, picture.width


def shift_and_mirror(pixels_HWC: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The customary augmentation of small pictures (He et al. 2016, arXiv 1512.03385, section 4.2).

    The picture is extended by an eighth on every side, by reflection, a window of its own size is cut at random, and
    every second one is mirrored.
    """
    height, width, _ = pixels_HWC.shape
    border = height // 8
    down, right = random.integers(-border, border + 1, size=2)
    rows_H, columns_W = _reflected(height, down), _reflected(width, right)
    if random.random() < 0.5:
        columns_W = columns_W[::-1]
    return pixels_HWC[rows_H[:, None], columns_W]


def _reflected(size: int, shift: int) -> np.ndarray:
    """The places 0 to `size` - 1 after a shift, those beyond an edge mirrored at it: size 4, shift 2 gives 2 3 2 1."""
    place = np.abs(np.arange(size) + shift)
    return np.minimum(place, 2 * (size - 1) - place)
