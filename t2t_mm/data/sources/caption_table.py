"""Images in a folder, and a table of their captions, one on each line."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath

from t2t_mm.data.features.input_file import read_input_file
from t2t_mm.data.sources.hash_split import by_hash
from t2t_mm.data.sources.image_folder import SUFFIXES
from t2t_mm.data.sources.lazy_values import LazyValues
from t2t_mm.data.sources.unpaired import refuse_unpaired
from t2t_mm.errors import UserError
from t2t_mm.problem import Example, Source

TABLE = "captions.txt"
HEADER = ["image", "caption"]
FOLDERS = ("images", "Images")


@dataclass(frozen=True)
class CaptionTable(Source):
    """A table `captions.txt` and the images that it names in `images/` (or `Images/`), below `folder`.

    The table is CSV with the header `image,caption`; a caption with a comma must be in quotation marks. An image is one
    example with all its captions: inputs are the bytes of its file, targets its captions in the table's order. Its id
    is its file's stem. A tenth of the images, selected by hash of that id (`hash_split.py`), is dev. Examples come in
    the order in which the table first names them. A caption without an image and an image without a caption are
    rejected. A line with a blank caption does not count as a caption.
    """

    folder: str  # below tmp_dir
    homepage: str = ""  # where to get the corpus

    def present(self, tmp_dir: Path) -> bool:
        return (tmp_dir / self.folder).is_dir()

    def splits(self, tmp_dir: Path) -> tuple[str, ...]:
        root = tmp_dir / self.folder
        return tuple(by_hash(self._by_id(root), root, "images"))

    def examples(self, split: str, tmp_dir: Path) -> Iterator[Example]:
        root = tmp_dir / self.folder
        by_id, folder = self._by_id(root), self._images(root)
        for example_id in by_hash(by_id, root, "images")[split]:
            name, captions = by_id[example_id]
            image = partial(read_input_file, name, folder, "image")
            yield Example(example_id, LazyValues(inputs=image, targets=captions))

    def _by_id(self, root: Path) -> dict[str, tuple[str, tuple[str, ...]]]:
        """Return file name and captions of every image.

        Raises UserError for an image or caption without its counterpart.
        """
        table, folder = root / TABLE, self._images(root)
        if not table.is_file():
            raise UserError(f"{root} holds no {TABLE}. {self._layout()}")
        captions: dict[str, list[str]] = {}  # by file name
        first: dict[str, int] = {}  # the line that first names a file
        for line, (name, caption) in _rows(table):
            captions.setdefault(name, []).append(caption)
            first.setdefault(name, line)
        files = {path.name for path in folder.iterdir()}
        refuse_unpaired(
            [f"{table}, line {first[name]}: no image {name} in {folder}" for name in captions if name not in files],
            "Add the image or remove its lines.",
        )
        refuse_unpaired(
            [f"{folder / name} has no caption in {table}" for name in sorted(files - set(captions)) if _is_image(name)],
            "Add a line for it or remove the image.",
        )
        by_id = {PurePath(name).stem: (name, tuple(lines)) for name, lines in captions.items()}
        duplicates = [name for name in captions if by_id[PurePath(name).stem][0] != name]
        if duplicates:
            other = by_id[PurePath(duplicates[0]).stem][0]
            raise UserError(
                f"{folder} holds {duplicates[0]} and {other}: two images must not have the same name before the dot."
            )
        return by_id

    def _images(self, root: Path) -> Path:
        folder = next((root / name for name in FOLDERS if (root / name).is_dir()), None)
        if folder is None:
            raise UserError(f"{root} holds no folder {' or '.join(FOLDERS)}. {self._layout()}")
        return folder

    def _layout(self) -> str:
        source = f" Get it from {self.homepage}." if self.homepage else ""
        return f"Expected there: {TABLE} with the header {','.join(HEADER)}, and the images in {FOLDERS[0]}/.{source}"


def _is_image(name: str) -> bool:
    return not name.startswith(".") and name.lower().endswith(SUFFIXES)


def _rows(path: Path) -> Iterator[tuple[int, tuple[str, str]]]:
    """Yield line number, file name and caption of each line but the header. Raises UserError naming an invalid line."""
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}, line {line}: the byte {content[error.start]:#04x} is not UTF-8.") from None
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for row in rows:
            cells = [cell.strip() for cell in row]
            if line == 1 and cells != HEADER:
                raise UserError(f"{path}, line 1: expected the header {','.join(HEADER)}; found {','.join(row)!r:.80}.")
            if rows.line_num > line:
                raise UserError(
                    f"{path}, line {line}: the caption continues to line {rows.line_num}. Close its quotation marks."
                )
            if line > 1 and cells:
                if len(cells) != len(HEADER) or not cells[0]:
                    raise UserError(
                        f"{path}, line {line}: expected a file name and a caption, quoted if it has a comma; "
                        f"found {len(cells)} columns, {','.join(row)!r:.80}."
                    )
                yield line, (cells[0], cells[1])
            line = rows.line_num + 1
    except csv.Error as error:
        raise UserError(f"{path}, line {line}: quotation marks are not closed or not valid in CSV ({error}).") from None
    if line == 1:
        raise UserError(f"{path} is empty; expected the header {','.join(HEADER)} and a line for each caption.")
