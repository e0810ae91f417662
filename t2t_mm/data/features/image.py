"""Colour images: stored as their encoded files, decoded and resized when a batch is made."""

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow

from t2t_mm.data.features.input_file import read_input_file
from t2t_mm.errors import UserError
from t2t_mm.feature import Arrays, ArraySpec, Codec, FilelessFeature, Port
from t2t_mm.hparam_set import DataHparams

MOST_PIXELS = 89_000_000  # of one image; a larger one is probably a decompression bomb or a mistake
TOO_LARGE = f"The image has more than {MOST_PIXELS // 10**6} million pixels."

# Markers of a JPEG file (ISO/IEC 10918-1, annex B).
JPEG_START = b"\xff\xd8"
JPEG_END = b"\xff\xd9"
JPEG_FRAMES = (0xC0, 0xC1, 0xC2)  # start-of-frame markers in common use: baseline, extended, progressive
JPEG_SCAN = 0xDA  # start of scan: the image data begin here
JPEG_BITS, JPEG_COMPONENTS = 8, (1, 3, 4)  # bits of a sample; grey, RGB or CMYK


@dataclass(frozen=True)
class Image(FilelessFeature):
    """A colour image. The raw value is the bytes of a JPEG, PNG or other file that Pillow reads."""

    def open(self, folder: Path) -> "ImageCodec":
        return ImageCodec()


class ImageCodec(Codec):
    """A codec of images. A record holds the bytes of the image's file."""

    port = Port("image", "image", 0)

    def store(self, value: Any) -> bytes:
        """Return the bytes unchanged, after a check that they are a complete image.

        A common JPEG is checked by its header and end marker only, because decoding it would cost ten times as much as
        all the other steps. Damage between them is detected when the image is loaded (`corrupt_record`, `--check`).
        """
        if not isinstance(value, bytes):
            raise UserError(f"An image must be the bytes of its file; received {type(value).__name__}: {value!r:.60}.")
        height, width = jpeg_size(value) or _decoded_size(value)
        if height * width > MOST_PIXELS:
            raise UserError(TOO_LARGE)
        return value

    def length(self, stored: bytes) -> int:
        return 1

    def longest(self, hparams: DataHparams) -> int:
        return 1

    def load(self, stored: bytes, hparams: DataHparams, augment: np.random.Generator | None) -> np.ndarray:
        """Return uint8[size, size, 3], resized without keeping proportions.

        In training it is shifted and mirrored at random.
        """
        size = hparams.image_size
        opened = Pillow.open(io.BytesIO(stored))
        opened.draft("RGB", (size, size))
        image = opened.convert("RGBA") if "transparency" in opened.info else opened
        small = image.convert("RGB").resize((size, size), Pillow.Resampling.BILINEAR)
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
        """Return the bytes of the file that `line` names, relative to `folder`."""
        return read_input_file(line, folder, "image")

    def show(self, output: np.ndarray, source: Any = None) -> str:
        return f"an image of {'x'.join(map(str, np.shape(output)))}"


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
    """Return height and width of an image of any kind. Raises UserError if it cannot be decoded completely."""
    try:
        with warnings.catch_warnings(action="error", category=Pillow.DecompressionBombWarning):
            image = Pillow.open(io.BytesIO(value))
            if image.height * image.width <= MOST_PIXELS:
                image.load()
    except (Pillow.DecompressionBombWarning, Pillow.DecompressionBombError):
        raise UserError(TOO_LARGE) from None
    except Exception as error:  # of any class: each of Pillow's readers fails on a broken file in its own way
        received = f"{len(value):,} bytes that begin with {value[:8]!r}"
        reason = str(error).partition(" <_io.BytesIO")[0]  # the text after it names an object in memory
        raise UserError(f"This is not a readable image: {received} ({reason}).") from None
    return image.height, image.width


def shift_and_mirror(pixels_HWC: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return the image after the usual augmentation of small images (He et al. 2016, arXiv 1512.03385, section 4.2).

    The image is extended by an eighth on every side by reflection, a window of the original size is cut at random, and
    with probability 1/2 it is mirrored.
    """
    height, width, _ = pixels_HWC.shape
    border = height // 8
    down, right = random.integers(-border, border + 1, size=2)
    rows_H, columns_W = _reflected(height, down), _reflected(width, right)
    if random.random() < 0.5:
        columns_W = columns_W[::-1]
    return pixels_HWC[rows_H[:, None], columns_W]


def _reflected(size: int, shift: int) -> np.ndarray:
    """Return the indices 0 to `size` - 1 after a shift, reflected at the edges: size 4, shift 2 gives 2 3 2 1."""
    place = np.abs(np.arange(size) + shift)
    return np.minimum(place, 2 * (size - 1) - place)
