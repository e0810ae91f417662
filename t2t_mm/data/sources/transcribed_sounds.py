"""Sounds in a folder and a table of what is said in them, a line for each."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from t2t_mm.data.features.audio_file import SUFFIXES
from t2t_mm.data.features.input_file import read_named
from t2t_mm.data.sources.hash_split import by_hash
from t2t_mm.data.sources.lazy_values import LazyValues
from t2t_mm.data.sources.unpaired import refuse_unpaired
from t2t_mm.errors import UserError
from t2t_mm.problem import Example, Source

TABLE = "transcripts.tsv"
FOLDER = "audio"


@dataclass(frozen=True)
class TranscribedAudio(Source):
    """`transcripts.tsv` and `audio/<id>.<suffix>` below `folder`; suffixes .wav, .flac, .ogg and .mp3 in any case.

    The table has no header; a line is an id, a tab and a transcript. inputs are the bytes of the sound's file, targets
    its transcript. An example is named by its id; every tenth, by hash of that id (`hash_split.py`), is dev. Examples
    come in the table's order. A transcript without its sound and a sound without a transcript are refused.
    """

    folder: str  # below tmp_dir
    homepage: str = ""  # where the corpus is to be had

    def present(self, tmp_dir: Path) -> bool:
        return (tmp_dir / self.folder).is_dir()

    def splits(self, tmp_dir: Path) -> tuple[str, ...]:
        root = tmp_dir / self.folder
        return tuple(by_hash(self._by_id(root), root, "sounds"))

    def examples(self, split: str, tmp_dir: Path) -> Iterator[Example]:
        root = tmp_dir / self.folder
        by_id = self._by_id(root)
        for example_id in by_hash(by_id, root, "sounds")[split]:
            name, transcript = by_id[example_id]
            sound = partial(read_named, name, root / FOLDER, "sound")
            yield Example(example_id, LazyValues(inputs=sound, targets=transcript))

    def _by_id(self, root: Path) -> dict[str, tuple[str, str]]:
        """File name and transcript by id. Raises UserError for anything that lacks its other half."""
        table, folder = root / TABLE, root / FOLDER
        if not table.is_file() or not folder.is_dir():
            source = f" To be had from {self.homepage}." if self.homepage else ""
            raise UserError(
                f"{root} lacks {TABLE} or {FOLDER}/. Expected there: {TABLE}, on each line an id, a tab and a "
                f"transcript, and {FOLDER}/<id> with the suffix {', '.join(SUFFIXES)}.{source}"
            )
        files: dict[str, str] = {}  # by id
        for name in sorted(path.name for path in folder.iterdir()):
            stem, dot, suffix = name.rpartition(".")
            if stem and f"{dot}{suffix}".lower() in SUFFIXES and not name.startswith("."):
                if stem in files:
                    raise UserError(f"{folder} holds {files[stem]} and {name}: an id has one sound. Remove either.")
                files[stem] = name
        transcripts: dict[str, tuple[int, str]] = {}  # line and words by id
        for line, example_id, transcript in _rows(table):
            if example_id in transcripts:
                raise UserError(
                    f"{table}, line {line}: {example_id} stands on line {transcripts[example_id][0]} already."
                )
            transcripts[example_id] = line, transcript
        refuse_unpaired(
            [
                f"{table}, line {line}: no sound of {id} in {folder}"
                for id, (line, _) in transcripts.items()
                if id not in files
            ],
            "Add the sound or remove the line.",
        )
        refuse_unpaired(
            [f"{folder / name} has no line in {table}" for stem, name in files.items() if stem not in transcripts],
            "Add a line for it or remove the sound.",
        )
        return {example_id: (files[example_id], words) for example_id, (_, words) in transcripts.items()}


def _rows(path: Path) -> Iterator[tuple[int, str, str]]:
    """Line number, id and transcript. Raises UserError naming a line that has no such two columns."""
    for number, raw in enumerate(path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        try:
            line = raw.decode("utf-8").rstrip("\r")
        except UnicodeDecodeError as error:
            raise UserError(f"{path}, line {number}: the byte {raw[error.start]:#04x} is not UTF-8.") from None
        columns = [column.strip() for column in line.split("\t")]
        if columns == [""]:
            continue
        if len(columns) != 2 or not columns[0]:
            raise UserError(
                f"{path}, line {number}: expected an id, a tab and a transcript; "
                f"found {len(columns)} columns, {line!r:.80}."
            )
        yield number, columns[0], columns[1]
