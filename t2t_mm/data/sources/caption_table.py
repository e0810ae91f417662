"""Pictures in a folder and a table of their captions, a line for each."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath

from t2t_mm.data.features.input_file import read_named
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
    """`captions.txt` and the pictures that it names in `images/` (or `Images/`), below `folder`.

    The table is CSV with the header `image,caption`: a caption with a comma stands in quotation marks. A picture is one
    example with all its captions: inputs are the bytes of its file, targets its captions in the table's order. It is
    named by its file's stem; every tenth picture, by hash of that id (`hash_split.py`), is dev. Examples come in the
    order in which the table first names them. A caption without its picture and a picture without a caption are
    refused; a line whose caption is blank counts for none.
    """

    folder: str  # below tmp_dir
    homepage: str = ""  # where the corpus is to be had

    def present(self, tmp_dir: Path) -> bool:
        return (tmp_dir / self.folder).is_dir()

    def splits(self, tmp_dir: Path) -> tuple[str, ...]:
        root = tmp_dir / self.folder
        return tuple(by_hash(self._by_id(root), root, "pictures"))

    def examples(self, split: str, tmp_dir: Path) -> Iterator[Example]:
        root = tmp_dir / self.folder
        by_id, folder = self._by_id(root), self._pictures(root)
        for example_id in by_hash(by_id, root, "pictures")[split]:
            name, captions = by_id[example_id]
            picture = partial(read_named, name, folder, "picture")
            yield Example(example_id, LazyValues(inputs=picture, targets=captions))

    def _by_id(self, root: Path) -> dict[str, tuple[str, tuple[str, ...]]]:
        """File name and captions of every picture. Raises UserError for anything that lacks its other half."""
        table, folder = root / TABLE, self._pictures(root)
        if not table.is_file():
            raise UserError(f"{root} holds no {TABLE}. {self._layout()}")
        captions: dict[str, list[str]] = {}  # by file name
        first: dict[str, int] = {}  # the line that first names a file
        for line, (name, caption) in _rows(table):
            captions.setdefault(name, []).append(caption)
            first.setdefault(name, line)
        files = {path.name for path in folder.iterdir()}
        refuse_unpaired(
            [f"{table}, line {first[name]}: no picture {name} in {folder}" for name in captions if name not in files],
            "Add the picture or remove its lines.",
        )
        refuse_unpaired(
            [
                f"{folder / name} has no caption in {table}"
                for name in sorted(files - set(captions))
                if _is_picture(name)
            ],
            "Add a line for it or remove the picture.",
        )
        by_id = {PurePath(name).stem: (name, tuple(lines)) for name, lines in captions.items()}
        twice = [name for name in captions if by_id[PurePath(name).stem][0] != name]
        if twice:
            other = by_id[PurePath(twice[0]).stem][0]
            raise UserError(f"{folder} holds {twice[0]} and {other}: the name before the dot must tell pictures apart.")
        return by_id

    def _pictures(self, root: Path) -> Path:
        found = next((root / name for name in FOLDERS if (root / name).is_dir()), None)
        if found is None:
            raise UserError(f"{root} holds no folder {' or '.join(FOLDERS)}. {self._layout()}")
        return found

    def _layout(self) -> str:
        source = f" To be had from {self.homepage}." if self.homepage else ""
        return f"Expected there: {TABLE} with the header {','.join(HEADER)}, and the pictures in {FOLDERS[0]}/.{source}"


def _is_picture(name: str) -> bool:
    return not name.startswith(".") and name.lower().endswith(SUFFIXES)


def _rows(path: Path) -> Iterator[tuple[int, tuple[str, str]]]:
    """Line number, file name and caption of each line but the header. Raises UserError naming a line at fault."""
    whole = path.read_bytes()
    try:
        text = whole.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = whole.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}, line {line}: the byte {whole[error.start]:#04x} is not UTF-8.") from None
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for row in rows:
            cells = [cell.strip() for cell in row]
            if line == 1 and cells != HEADER:
                raise UserError(f"{path}, line 1: expected the header {','.join(HEADER)}; found {','.join(row)!r:.80}.")
            if rows.line_num > line:
                raise UserError(
                    f"{path}, line {line}: the caption runs on to line {rows.line_num}; close its quotation."
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
        raise UserError(f"{path}, line {line}: a quotation is not closed, or not as CSV has it ({error}).") from None
    if line == 1:
        raise UserError(f"{path} is empty; expected the header {','.join(HEADER)} and a line for each caption.")
