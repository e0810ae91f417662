"""Audio files in a folder, and a table of their transcripts, one on each line."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from t2t_mm.data.features.audio_file import SUFFIXES
from t2t_mm.data.features.input_file import read_input_file
from t2t_mm.data.sources.hash_split import by_hash
from t2t_mm.data.sources.lazy_values import LazyValues
from t2t_mm.data.sources.unpaired import refuse_unpaired
from t2t_mm.errors import UserError
from t2t_mm.problem import Example, Source

TABLE = "transcripts.tsv"
FOLDER = "audio"


@dataclass(frozen=True)
class TranscribedAudio(Source):
    """A table `transcripts.tsv` and files `audio/<id>.{wav,flac,ogg,mp3}` below `folder`; suffixes in any case.

    The table has no header; a line is an id, a tab and a transcript. inputs are the bytes of the audio file, targets
    its transcript. A tenth of the examples, selected by hash of the id (`hash_split.py`), is dev. Examples come in the
    table's order. A transcript without audio and audio without a transcript are rejected.
    """

    folder: str  # below tmp_dir
    homepage: str = ""  # where to get the corpus

    def present(self, tmp_dir: Path) -> bool:
        return (tmp_dir / self.folder).is_dir()

    def splits(self, tmp_dir: Path) -> tuple[str, ...]:
        root = tmp_dir / self.folder
        return tuple(by_hash(self._by_id(root), root, "audio files"))

    def examples(self, split: str, tmp_dir: Path) -> Iterator[Example]:
        root = tmp_dir / self.folder
        by_id = self._by_id(root)
        for example_id in by_hash(by_id, root, "audio files")[split]:
            name, transcript = by_id[example_id]
            audio = partial(read_input_file, name, root / FOLDER, "audio file")
            yield Example(example_id, LazyValues(inputs=audio, targets=transcript))

    def _by_id(self, root: Path) -> dict[str, tuple[str, str]]:
        """Return file name and transcript by id. Raises UserError for a file or a line without its counterpart."""
        table, folder = root / TABLE, root / FOLDER
        if not table.is_file() or not folder.is_dir():
            source = f" Get it from {self.homepage}." if self.homepage else ""
            raise UserError(
                f"{root} lacks {TABLE} or {FOLDER}/. Expected there: {TABLE}, on each line an id, a tab and a "
                f"transcript, and {FOLDER}/<id> with the suffix {', '.join(SUFFIXES)}.{source}"
            )
        files: dict[str, str] = {}  # by id
        for name in sorted(path.name for path in folder.iterdir()):
            stem, dot, suffix = name.rpartition(".")
            if stem and f"{dot}{suffix}".lower() in SUFFIXES and not name.startswith("."):
                if stem in files:
                    raise UserError(
                        f"{folder} holds {files[stem]} and {name}: an id must have one audio file. Remove one."
                    )
                files[stem] = name
        transcripts: dict[str, tuple[int, str]] = {}  # line and words by id
        for line, example_id, transcript in _rows(table):
            if example_id in transcripts:
                raise UserError(f"{table}, line {line}: {example_id} is already on line {transcripts[example_id][0]}.")
            transcripts[example_id] = line, transcript
        refuse_unpaired(
            [
                f"{table}, line {line}: no audio file of {id} in {folder}"
                for id, (line, _) in transcripts.items()
                if id not in files
            ],
            "Add the audio file or remove the line.",
        )
        refuse_unpaired(
            [f"{folder / name} has no line in {table}" for stem, name in files.items() if stem not in transcripts],
            "Add a line for it or remove the audio file.",
        )
        return {example_id: (files[example_id], words) for example_id, (_, words) in transcripts.items()}


def _rows(path: Path) -> Iterator[tuple[int, str, str]]:
    """Yield line number, id and transcript. Raises UserError naming a line without these two columns."""
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
