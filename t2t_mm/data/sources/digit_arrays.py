"""Images of digits as arrays: MNIST's original files, and Keras's archive."""

import abc
import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, TEST, TRAIN, Example, Source

HELD_OUT = 6  # the last sixth of the training part is dev: 10,000 of MNIST's 60,000
UBYTE = 8  # idx: the type code of uint8


@dataclass(frozen=True)
class DigitArrays(Source, abc.ABC):
    """Images uint8[N, H, W] and classes uint8[N] in two parts.

    The last sixth of the first part is dev; the other part is test.

    inputs are an image as the bytes of a PNG, targets the digit, "0" to "9". Ids are part and place, counted from 0:
    `train/59999`.
    """

    folder: str  # below tmp_dir
    homepage: str = ""  # where to get the corpus

    @abc.abstractmethod
    def present(self, tmp_dir: Path) -> bool:
        """Return True if the first file exists."""

    @abc.abstractmethod
    def part(self, part: str, tmp_dir: Path) -> tuple[np.ndarray, np.ndarray]:
        """Return images and classes (uint8[N, H, W], uint8[N]) of "train" or "test".

        Raises UserError for a missing or broken file.
        """

    def splits(self, tmp_dir: Path) -> tuple[str, ...]:
        for part in ("train", "test"):
            self.part(part, tmp_dir)
        return (TRAIN, DEV, TEST)

    def classes(self, tmp_dir: Path) -> tuple[str, ...]:
        return tuple("0123456789")

    def count(self, split: str, tmp_dir: Path) -> int:
        return len(self._places(split, tmp_dir)[0])

    def examples(self, split: str, tmp_dir: Path) -> Iterator[Example]:
        return self.examples_from(split, tmp_dir, 0)

    def examples_from(self, split: str, tmp_dir: Path, start: int) -> Iterator[Example]:
        places, part, images_NHW, classes_N = self._places(split, tmp_dir)
        for place in places[start:]:
            yield Example(f"{part}/{place}", {"inputs": png(images_NHW[place]), "targets": str(classes_N[place])})

    def _places(self, split: str, tmp_dir: Path) -> tuple[range, str, np.ndarray, np.ndarray]:
        """Return the places of the split's examples in a part, and the part's name, images and classes."""
        part = "test" if split == TEST else "train"
        images_NHW, classes_N = self.part(part, tmp_dir)
        every = range(len(images_NHW))
        held_out = len(every) // HELD_OUT
        places = every if split == TEST else every[-held_out:] if split == DEV else every[:-held_out]
        return places, part, images_NHW, classes_N

    def _check(self, images: np.ndarray, classes: np.ndarray, where: Path) -> tuple[np.ndarray, np.ndarray]:
        if images.ndim != 3 or classes.shape != images.shape[:1] or len(images) < HELD_OUT:
            raise UserError(
                f"{where} should hold images [N, H, W] and as many classes [N], at least {HELD_OUT}. Found: "
                f"{list(images.shape)} and {list(classes.shape)}."
            )
        if images.dtype != np.uint8 or classes.max() > 9:
            raise UserError(f"{where} should hold uint8 images and classes from 0 to 9; it holds something else.")
        return images, classes


class IdxFiles(DigitArrays):
    """MNIST's original files, {train,t10k}-images-idx3-ubyte and {train,t10k}-labels-idx1-ubyte, plain or .gz."""

    def present(self, tmp_dir: Path) -> bool:
        return self._find(tmp_dir, "train-images-idx3-ubyte") is not None

    def part(self, part: str, tmp_dir: Path) -> tuple[np.ndarray, np.ndarray]:
        stem = {"train": "train", "test": "t10k"}[part]
        names = f"{stem}-images-idx3-ubyte", f"{stem}-labels-idx1-ubyte"
        paths = [self._find(tmp_dir, name) for name in names]
        for name, path in zip(names, paths, strict=True):
            if path is None:
                source = f" Get it from {self.homepage}." if self.homepage else ""
                raise UserError(f"{tmp_dir / self.folder} holds no {name}, plain or .gz.{source}")
        images, classes = (read_idx(path) for path in paths if path is not None)
        return self._check(images, classes, tmp_dir / self.folder)

    def _find(self, tmp_dir: Path, name: str) -> Path | None:
        plain = tmp_dir / self.folder / name
        return next((path for path in (plain, plain.with_name(name + ".gz")) if path.is_file()), None)


class KerasArchive(DigitArrays):
    """Keras's archive mnist.npz with x_train, y_train, x_test and y_test, as `keras.datasets.mnist` downloads it."""

    def present(self, tmp_dir: Path) -> bool:
        return (tmp_dir / self.folder / "mnist.npz").is_file()

    def part(self, part: str, tmp_dir: Path) -> tuple[np.ndarray, np.ndarray]:
        path = tmp_dir / self.folder / "mnist.npz"
        try:
            with np.load(path) as arrays:
                return self._check(arrays[f"x_{part}"], arrays[f"y_{part}"], path)
        except FileNotFoundError:
            source = f" Get it from {self.homepage}." if self.homepage else ""
            raise UserError(f"There is no {path}.{source}") from None
        except (KeyError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise UserError(
                f"{path} is not a complete archive of x_{part} and y_{part} ({error}); download it again."
            ) from None


def read_idx(path: Path) -> np.ndarray:
    """Return the array in an idx file: two zero bytes, type, number of axes, sizes (big-endian), then the numbers.

    Raises UserError if the file is cut off or has another type than uint8.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UserError(f"{path} is not a complete gzip file ({error}); download it again.") from None
    axes = content[3] if len(content) >= 4 else 0
    if content[:3] != bytes([0, 0, UBYTE]) or len(content) < 4 + 4 * axes:
        raise UserError(f"{path} is not an idx file of unsigned bytes: it begins with {content[:4]!r}.")
    shape = np.frombuffer(content, ">i4", axes, offset=4).tolist()
    if len(content) != 4 + 4 * axes + int(np.prod(shape)):
        raise UserError(
            f"{path} should hold {shape} numbers, but its length is {len(content):,} bytes; download it again."
        )
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)


def png(pixels_HW: np.ndarray) -> bytes:
    """Return a grey image as the bytes of a PNG."""
    file = io.BytesIO()
    Pillow.fromarray(pixels_HW).save(file, "PNG")
    return file.getvalue()
