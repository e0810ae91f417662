"""Images sorted into one folder for each class, on disk or in a zip file."""

import os
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import islice, pairwise
from pathlib import Path

from t2t_mm.data.features.input_file import read_input_file
from t2t_mm.data.sources.archives import readable
from t2t_mm.data.sources.hash_split import check_held_out, in_dev
from t2t_mm.data.sources.lazy_values import LazyValues
from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, TEST, TRAIN, Example, Source

SUFFIXES = (".jpg", ".jpeg", ".png")
SPLITS = {"train": TRAIN, "training": TRAIN, "dev": DEV, "val": DEV, "valid": DEV, "validation": DEV, "test": TEST}


@dataclass(frozen=True)
class ImageFolder(Source):
    """Files `<split>/<class>/<file>` or `<class>/<file>` in `path`, a folder or a .zip file (which is not unpacked).

    Files are .jpg, .jpeg or .png in any case; others are ignored. If there is no dev part (dev, val, valid or
    validation), the test part is used for it. If there is neither, a tenth of the images is dev, by hash of the id
    (`hash_split.py`). Ids are paths below the root, such as `train/cat/0007.jpg`. Examples are sorted by name, so they
    come class by class. inputs are the file's bytes, targets the name of the class folder.
    """

    path: str  # below tmp_dir
    homepage: str = ""  # where to get the corpus
    advice: str = ""  # a sentence: how to prepare the corpus from there

    def present(self, tmp_dir: Path) -> bool:
        root = tmp_dir / self.path
        if root.is_dir():
            return any("/" in name for name in _images(root))  # one image in a folder is enough
        return root.is_file()

    def splits(self, tmp_dir: Path) -> tuple[str, ...]:
        counts = self._counts(tmp_dir).by_split
        return tuple(split for split in (TRAIN, DEV, TEST) if split in counts)

    def classes(self, tmp_dir: Path) -> tuple[str, ...]:
        return tuple(sorted({_class(name) for split in self.splits(tmp_dir) for name in self._names(split, tmp_dir)}))

    def count(self, split: str, tmp_dir: Path) -> int:
        return self._counts(tmp_dir).by_split[split]

    def examples(self, split: str, tmp_dir: Path) -> Iterator[Example]:
        return self.examples_from(split, tmp_dir, 0)

    def examples_from(self, split: str, tmp_dir: Path, start: int) -> Iterator[Example]:
        root = tmp_dir / self.path
        names = islice(self._names(split, tmp_dir), start, None)
        if root.is_dir():
            for name in names:
                yield Example(
                    name, LazyValues(inputs=partial(read_input_file, name, root, "image"), targets=_class(name))
                )
            return
        archive = _opened(root)
        for name in names:
            yield Example(name, {"inputs": archive.read(name), "targets": _class(name)})

    def _names(self, split: str, tmp_dir: Path) -> Iterator[str]:
        """Yield the images of a split, in the order of their names."""
        dev_from = self._counts(tmp_dir).dev_from
        part = dev_from if split == DEV else split
        for name, of in self._images_by_split(tmp_dir / self.path):
            if of == part and (dev_from != TRAIN or in_dev(name) == (split == DEV)):
                yield name

    def _counts(self, tmp_dir: Path) -> "_Counts":
        """Return the number of images of each split. It is counted once for all splits and jobs."""
        root = tmp_dir / self.path
        return _cached_counts(self, root, _state(root))

    def _count(self, root: Path) -> "_Counts":
        counts = Counter(split for _, split in self._images_by_split(root))
        if not counts:
            raise UserError(f"{root} holds no images. {self._layout()}")
        if TRAIN not in counts:
            raise UserError(f"{root} has no train part; found: {', '.join(counts)}. {self._layout()}")
        if DEV in counts:
            return _Counts(counts, DEV)
        if TEST in counts:
            return _Counts({TRAIN: counts[TRAIN], DEV: counts[TEST]}, TEST)
        hashed = sum(in_dev(name) for name, _ in self._images_by_split(root))
        check_held_out(counts[TRAIN], hashed, root, "images")
        return _Counts({TRAIN: counts[TRAIN] - hashed, DEV: hashed}, TRAIN)

    def _images_by_split(self, root: Path) -> Iterator[tuple[str, str]]:
        """Yield every image with the split of its part, or with TRAIN if there are no parts."""
        in_parts = any(name.count("/") == 2 for part in SPLITS for name in _images(root, part))
        for name in _images(root):
            parts = name.split("/")
            if in_parts and parts[0] in SPLITS:
                if len(parts) != 3:
                    raise UserError(f"{root}: {name} is in no class folder. {self._layout()}")
                yield name, SPLITS[parts[0]]
            elif not in_parts and len(parts) == 2:
                yield name, TRAIN

    def _layout(self) -> str:
        source = (f" Get it from {self.homepage}." if self.homepage else "") + (self.advice and f" {self.advice}")
        return f"Expected below it: <split>/<class>/<file> or <class>/<file>, files .jpg, .jpeg or .png.{source}"


def _class(name: str) -> str:
    return name.split("/")[-2]


def _is_image(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not any(part.startswith((".", "__MACOSX")) for part in _parts(name))


def _parts(name: str) -> list[str]:
    return [part for part in name.split("/") if part not in ("", ".")]


@dataclass(frozen=True)
class _Counts:
    """The number of images by split, and the part that dev is from: TRAIN if it is held out by hash."""

    by_split: Mapping[str, int]
    dev_from: str


@lru_cache(4)
def _cached_counts(source: ImageFolder, root: Path, state: tuple[int, ...]) -> _Counts:
    return source._count(root)


def _state(root: Path) -> tuple[int, ...]:
    """Return the modification times of all folders that may hold images, or of the zip file."""
    folders = [root]
    if root.is_dir():
        tops = _folders_in(root)
        folders += tops + [folder for top in tops if top.name in SPLITS for folder in _folders_in(top)]
    return tuple(folder.stat().st_mtime_ns for folder in folders if folder.exists())


def _folders_in(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        return sorted(Path(entry.path) for entry in entries if entry.is_dir())


def _images(root: Path, part: str = "") -> Iterator[str]:
    """Yield the names of all images below `root` (a folder or a zip file), or in its `part`, in order.

    Yields nothing if neither exists.
    """
    if root.is_file():
        names = _opened(root).names
        yield from (name for name in names if name.startswith(f"{part}/")) if part else names
    elif not part and root.is_dir():
        yield from _images_in_folder(root, "", 2)
    elif (root / part).is_dir():
        yield from _images_in_folder(root, f"{part}/", 1)


def _images_in_folder(root: Path, below: str, depth: int) -> Iterator[str]:
    """Yield the images in `root`/`below`, up to `depth` folders down, with one folder's names in memory at a time."""
    with os.scandir(root / below) as entries:
        names = sorted(below + entry.name + ("/" if entry.is_dir() else "") for entry in entries)
    for name in names:
        if not name.endswith("/"):
            if _is_image(name):
                yield name
        elif depth:
            yield from _images_in_folder(root, name, depth - 1)


class _Archive:
    """A zip file of images."""

    def __init__(self, path: Path) -> None:
        with readable(path):
            self._zip = zipfile.ZipFile(path)
        self._path = path
        every = self._zip.namelist()
        self._prefix = _prefix(every)
        within = (name for name in every if _is_image(name) and name.startswith(self._prefix))
        self.names = tuple(sorted(name.removeprefix(self._prefix) for name in within))
        for name, following in pairwise(self.names):
            if name == following:
                raise UserError(f"{path} holds {self._prefix + name} twice; zip the images again, each once.")

    def read(self, name: str) -> bytes:
        with readable(self._path, self._prefix + name):
            return self._zip.read(self._prefix + name)


def _opened(path: Path) -> _Archive:
    """Return a zip file. Its directory is read once for all splits and jobs."""
    return _archive(path, path.stat().st_mtime_ns)


@lru_cache(1)
def _archive(path: Path, changed: int) -> _Archive:
    return _Archive(path)


def _prefix(names: list[str]) -> str:
    """Return the single top folder of an archive, with "/", if it is neither a split nor a class, else ""."""
    paths = [_parts(name) for name in names if _is_image(name)]
    tops = {parts[0] for parts in paths}
    if len(tops) == 1 and not tops & set(SPLITS) and min(map(len, paths)) >= 3:
        return f"{tops.pop()}/"
    return ""
