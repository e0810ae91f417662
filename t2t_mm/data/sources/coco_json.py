"""Pictures and captions as COCO gives them: a JSON file for each part, and a folder of pictures beside it."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from t2t_mm.data.features.input_file import read_named
from t2t_mm.data.sources.json_file import read_json, refuse_half_characters
from t2t_mm.data.sources.lazy_values import LazyValues
from t2t_mm.data.sources.unpaired import refuse_unpaired
from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, TRAIN, Example, Source

YEARS = (2017, 2014)  # the first that is whole is read
PARTS = {TRAIN: "train", DEV: "val"}
PICTURE = {"id": int, "file_name": str}  # what is read of an entry, and its type
CAPTION = {"image_id": int, "caption": str}


@dataclass(frozen=True)
class CocoJson(Source):
    """`annotations/captions_{train,val}<year>.json` and `{train,val}<year>/<file>` below `folder`; val is dev.

    Of 2017 and 2014 the newest year that is whole. A picture is one example with all its captions: inputs are the bytes
    of its file, targets its captions in the order of the annotations, each brought to one line. Pictures come in the
    order of the JSON file and are named by part and file, as in `val2017/000000397133.jpg`. A caption without its
    picture and a listed picture without file or caption are refused; files that the JSON does not list are not read.
    """

    folder: str  # below tmp_dir
    homepage: str = ""  # where the corpus is to be had

    def present(self, tmp_dir: Path) -> bool:
        return (tmp_dir / self.folder).is_dir()

    def splits(self, tmp_dir: Path) -> tuple[str, ...]:
        year = self._year(tmp_dir)
        for part in PARTS.values():
            _captions(tmp_dir / self.folder, f"{part}{year}")
        return tuple(PARTS)

    def examples(self, split: str, tmp_dir: Path) -> Iterator[Example]:
        root, part = tmp_dir / self.folder, f"{PARTS[split]}{self._year(tmp_dir)}"
        for name, captions in _captions(root, part).items():
            picture = partial(read_named, name, root / part, "picture")
            yield Example(f"{part}/{name}", LazyValues(inputs=picture, targets=captions))

    def _year(self, tmp_dir: Path) -> int:
        root = tmp_dir / self.folder
        lacking = {
            year: [str(path) for part in PARTS.values() for path in _places(root, f"{part}{year}") if not path.exists()]
            for year in YEARS
        }
        for year in YEARS:
            if not lacking[year]:
                return year
        nearest = min(YEARS, key=lambda year: len(lacking[year]))
        source = f" To be had from {self.homepage}." if self.homepage else ""
        raise UserError(
            f"{root} holds no whole year of COCO's captions; {nearest} lacks {', '.join(lacking[nearest])}. Expected: "
            f"annotations/captions_train2017.json and captions_val2017.json, and beside annotations/ the pictures, "
            f"unpacked in train2017/ and val2017/; or all that of 2014.{source}"
        )


def _places(root: Path, part: str) -> tuple[Path, Path]:
    return root / "annotations" / f"captions_{part}.json", root / part


def _captions(root: Path, part: str) -> dict[str, tuple[str, ...]]:
    """The captions of each picture of `part`, by file name."""
    path, folder = _places(root, part)
    whole = read_json(path)
    names = _names(path, whole)
    captions: dict[int, list[str]] = {picture: [] for picture in names}
    unknown = []
    for number, entry in enumerate(_entries(path, whole, "annotations", CAPTION), start=1):
        refuse_half_characters(entry["caption"], f"{path}: the caption {entry.get('id', number)}")
        if entry["image_id"] in captions:
            captions[entry["image_id"]].append(" ".join(entry["caption"].split()))
        else:
            unknown.append(
                f"{path}: annotation {number} is of picture {entry['image_id']}, which 'images' does not list"
            )
    refuse_unpaired(unknown, "Fetch the file again.")
    files = set(os.listdir(folder))
    refuse_unpaired(
        [
            f"{path}: picture {picture} is {name}, which is not in {folder}"
            for picture, name in names.items()
            if name not in files
        ],
        "Unpack the pictures again.",
    )
    refuse_unpaired(
        [f"{path}: picture {picture}, {names[picture]}, has no caption" for picture in names if not captions[picture]],
        "Remove it from 'images' or add an annotation.",
    )
    return {name: tuple(captions[picture]) for picture, name in names.items()}


def _names(path: Path, whole: Any) -> dict[int, str]:
    """The file name of each picture by its id. Raises UserError for an id of two files and for a file of two ids."""
    names: dict[int, str] = {}
    ids: dict[str, int] = {}
    for entry in _entries(path, whole, "images", PICTURE):
        picture, name = entry["id"], entry["file_name"]
        if picture in names:
            raise UserError(
                f"{path}: 'images' lists {picture} twice, as {names[picture]} and as {name}. Remove either."
            )
        if name in ids:
            raise UserError(
                f"{path}: the pictures {ids[name]} and {picture} are one file, {name}. Remove either, and let its "
                f"annotations be of the other."
            )
        names[picture], ids[name] = name, picture
    return names


def _entries(path: Path, whole: Any, table: str, fields: Mapping[str, type]) -> list[dict[str, Any]]:
    """The list `table` of a COCO file, once every entry has proved to have `fields`."""
    entries = whole.get(table) if isinstance(whole, dict) else None
    if not isinstance(entries, list):
        raise UserError(f"{path} has no list {table!r}; COCO's files of captions have 'images' and 'annotations'.")
    for number, entry in enumerate(entries, start=1):
        if not isinstance(entry, dict) or not all(isinstance(entry.get(name), kind) for name, kind in fields.items()):
            raise UserError(
                f"{path}: entry {number} of {table!r} lacks {' or '.join(fields)} or has another type; "
                f"found {entry!r:.80}."
            )
    return entries
