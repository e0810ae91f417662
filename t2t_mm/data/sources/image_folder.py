"""Pictures sorted into a folder a class, on disk or inside a zip file."""

import os
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from t2t_mm.data.sources.hash_split import by_hash
from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, TEST, TRAIN, Example, Source

SUFFIXES = (".jpg", ".jpeg", ".png")
SPLITS = {"train": TRAIN, "training": TRAIN, "dev": DEV, "val": DEV, "valid": DEV, "validation": DEV, "test": TEST}


@dataclass(frozen=True)
class ImageFolder(Source):
    """`<split>/<class>/<file>` or `<class>/<file>` below `path`, a folder or a .zip, which is read as it is.

    Files are .jpg, .jpeg or .png in any case; others are passed over. Where there is no dev part (dev, val, valid or
    validation), the test part is used for it, and where there is neither, a tenth of the pictures, by hash of the id
    (`hash_split.py`). An example is named by its path below the root, as in `train/cat/0007.jpg`; examples come in the
    order of their names, so class by class. inputs are the file's bytes, targets the name of the class folder.
    """

    path: str  # below tmp_dir
    homepage: str = ""  # where the corpus is to be had

    def present(self, tmp_dir: Path) -> bool:
        root = tmp_dir / self.path
        if root.is_dir():
            return any(entry.is_dir() and not entry.name.startswith(".") for entry in root.iterdir())
        return root.is_file()

    def splits(self, tmp_dir: Path) -> tuple[str, ...]:
        return tuple(self._by_split(tmp_dir))

    def classes(self, tmp_dir: Path) -> tuple[str, ...]:
        parts = self._by_split(tmp_dir)
        return tuple(sorted({_class(name) for names in parts.values() for name in names}))

    def examples(self, split: str, tmp_dir: Path) -> Iterator[Example]:
        root = tmp_dir / self.path
        names = self._by_split(tmp_dir)[split]
        if root.is_dir():
            for name in names:
                yield Example(name, {"inputs": (root / name).read_bytes(), "targets": _class(name)})
            return
        with zipfile.ZipFile(root) as archive:
            prefix = _prefix(archive.namelist())
            for name in names:
                try:
                    picture = archive.read(prefix + name)
                except (zipfile.BadZipFile, zlib.error, EOFError) as error:
                    raise UserError(
                        f"{root}: {prefix + name} cannot be read ({error}); fetch the archive again."
                    ) from None
                yield Example(name, {"inputs": picture, "targets": _class(name)})

    def _by_split(self, tmp_dir: Path) -> dict[str, list[str]]:
        """The names of the pictures of each split, in order."""
        root = tmp_dir / self.path
        names = _names_in_folder(root) if root.is_dir() else _names_in_zip(root) if root.is_file() else []
        in_parts = any(len(PurePosixPath(name).parts) == 3 and name.split("/")[0] in SPLITS for name in names)
        found: dict[str, list[str]] = {}
        for name in sorted(names):
            parts = PurePosixPath(name).parts
            if in_parts and parts[0] in SPLITS:
                if len(parts) != 3:
                    raise UserError(f"{root}: {name} is in no class folder. {self._layout()}")
                found.setdefault(SPLITS[parts[0]], []).append(name)
            elif not in_parts and len(parts) == 2:
                found.setdefault(TRAIN, []).append(name)
        if not found:
            raise UserError(f"{root} holds no pictures. {self._layout()}")
        if TRAIN not in found:
            raise UserError(f"{root} has no train part; found: {', '.join(found)}. {self._layout()}")
        if DEV not in found and TEST in found:
            found[DEV] = found.pop(TEST)
        if DEV not in found:
            found |= by_hash(found[TRAIN], root, "pictures")
        return {split: found[split] for split in (TRAIN, DEV, TEST) if split in found}

    def _layout(self) -> str:
        source = f" To be had from {self.homepage}." if self.homepage else ""
        return f"Expected below it: <split>/<class>/<file> or <class>/<file>, files .jpg, .jpeg or .png.{source}"


def _class(name: str) -> str:
    return PurePosixPath(name).parts[-2]


def _is_picture(name: str) -> bool:
    parts = PurePosixPath(name).parts
    hidden = any(part.startswith((".", "__MACOSX")) for part in parts)
    return not hidden and name.lower().endswith(SUFFIXES)


def _names_in_folder(root: Path) -> list[str]:
    names: list[str] = []
    for folder, below, files in os.walk(root, followlinks=True):
        relative = Path(folder).relative_to(root)
        if len(relative.parts) >= 2:
            below.clear()
        names += [(relative / file).as_posix() for file in files]
    return [name for name in names if _is_picture(name)]


def _names_in_zip(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            every = archive.namelist()
    except zipfile.BadZipFile as error:
        raise UserError(f"{path} is no whole zip file ({error}); fetch it again.") from None
    prefix = _prefix(every)
    return [name.removeprefix(prefix) for name in every if _is_picture(name) and name.startswith(prefix)]


def _prefix(names: list[str]) -> str:
    """The folder at the top of an archive that everything lies in and that is neither a split nor a class, or ""."""
    paths = [PurePosixPath(name).parts for name in names if _is_picture(name)]
    tops = {parts[0] for parts in paths}
    if len(tops) == 1 and not tops & set(SPLITS) and min(map(len, paths)) >= 3:
        return f"{tops.pop()}/"
    return ""
