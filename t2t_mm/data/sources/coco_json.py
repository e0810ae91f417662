"""Images and captions in the layout of COCO: a JSON file for each part, and a folder of images beside it."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from t2t_mm.data.features.input_file import read_input_file
from t2t_mm.data.sources.json_file import read_json, refuse_half_characters
from t2t_mm.data.sources.lazy_values import LazyValues
from t2t_mm.data.sources.unpaired import refuse_unpaired
from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, TRAIN, Example, Source

YEARS = (2017, 2014)  # the first complete one is read
PARTS = {TRAIN: "train", DEV: "val"}
IMAGE = {"id": int, "file_name": str}  # the fields of an entry that are read, and their types
CAPTION = {"image_id": int, "caption": str}


@dataclass(frozen=True)
class CocoJson(Source):
    """Files `annotations/captions_{train,val}<year>.json` and `{train,val}<year>/<file>` below `folder`; val is dev.

    The newest complete year of 2017 and 2014 is read. An image is one example with all its captions: inputs are the
    bytes of its file, targets its captions in the order of the annotations, each on one line. Images come in the order
    of the JSON file. Ids are part and file, such as `val2017/000000397133.jpg`. A caption without an image and a listed
    image without a file or caption are rejected; files that the JSON does not list are ignored.
    """

    folder: str  # below tmp_dir
    homepage: str = ""  # where to get the corpus

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
            image = partial(read_input_file, name, root / part, "image")
            yield Example(f"{part}/{name}", LazyValues(inputs=image, targets=captions))

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
        source = f" Get it from {self.homepage}." if self.homepage else ""
        raise UserError(
            f"{root} holds no complete year of COCO's captions; {nearest} lacks {', '.join(lacking[nearest])}. "
            f"Expected: annotations/captions_train2017.json and captions_val2017.json, and beside annotations/ the "
            f"images, unpacked in train2017/ and val2017/; or all of this for 2014.{source}"
        )


def _places(root: Path, part: str) -> tuple[Path, Path]:
    return root / "annotations" / f"captions_{part}.json", root / part


def _captions(root: Path, part: str) -> dict[str, tuple[str, ...]]:
    """Return the captions of each image of `part`, by file name."""
    path, folder = _places(root, part)
    content = read_json(path)
    names = _names(path, content)
    captions: dict[int, list[str]] = {image: [] for image in names}
    unknown = []
    for number, entry in enumerate(_entries(path, content, "annotations", CAPTION), start=1):
        refuse_half_characters(entry["caption"], f"{path}: the caption {entry.get('id', number)}")
        if entry["image_id"] in captions:
            captions[entry["image_id"]].append(" ".join(entry["caption"].split()))
        else:
            unknown.append(
                f"{path}: annotation {number} belongs to image {entry['image_id']}, which 'images' does not list"
            )
    refuse_unpaired(unknown, "Download the file again.")
    files = set(os.listdir(folder))
    refuse_unpaired(
        [
            f"{path}: image {image} is {name}, which is not in {folder}"
            for image, name in names.items()
            if name not in files
        ],
        "Unpack the images again.",
    )
    refuse_unpaired(
        [f"{path}: image {image}, {names[image]}, has no caption" for image in names if not captions[image]],
        "Remove it from 'images' or add an annotation.",
    )
    return {name: tuple(captions[image]) for image, name in names.items()}


def _names(path: Path, content: Any) -> dict[int, str]:
    """Return the file name of each image by its id. Raises UserError if an id has two files or a file has two ids."""
    names: dict[int, str] = {}
    ids: dict[str, int] = {}
    for entry in _entries(path, content, "images", IMAGE):
        image, name = entry["id"], entry["file_name"]
        if image in names:
            raise UserError(f"{path}: 'images' lists {image} twice, as {names[image]} and as {name}. Remove either.")
        if name in ids:
            raise UserError(
                f"{path}: the images {ids[name]} and {image} have the same file, {name}. Remove one, and move its "
                f"annotations to the other."
            )
        names[image], ids[name] = name, image
    return names


def _entries(path: Path, content: Any, table: str, fields: Mapping[str, type]) -> list[dict[str, Any]]:
    """Return the list `table` of a COCO file, after a check that every entry has `fields`."""
    entries = content.get(table) if isinstance(content, dict) else None
    if not isinstance(entries, list):
        raise UserError(f"{path} has no list {table!r}; COCO's files of captions have 'images' and 'annotations'.")
    for number, entry in enumerate(entries, start=1):
        if not isinstance(entry, dict) or not all(isinstance(entry.get(name), kind) for name, kind in fields.items()):
            raise UserError(
                f"{path}: entry {number} of {table!r} lacks {' or '.join(fields)} or has another type; "
                f"found {entry!r:.80}."
            )
    return entries
