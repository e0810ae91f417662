"""Sentences and their parse trees, from the bracketed files of the Penn Treebank."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from t2t_mm.data.features.brackets import read_trees, without_traces
from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, TEST, TRAIN, Example, Source

BASES = (  # the folders of the files in the various releases
    "",
    "combined",
    "wsj",
    "combined/wsj",
    "parsed/mrg/wsj",
    "treebank_3/parsed/mrg/wsj",
)
SECTIONS = {TRAIN: range(2, 22), DEV: range(22, 23), TEST: range(23, 24)}
SAMPLE_DEV_FROM = 160  # wsj_0160 and up


@dataclass(frozen=True)
class Treebank(Source):
    """Files `wsj_<section><number>.mrg` below `folder`, in one folder (`combined/`) or a folder a section (`00/`).

    The full corpus is split by the usual sections: 02-21 train, 22 dev, 23 test; 00, 01 and 24 are not used. Some of
    the sections for train or test may be missing; `notes` names them. The free sample has files of sections 00 and 01
    only; of it, wsj_0160 and up is dev, the rest is train. Traces, constituents that contain only traces, and function
    tags are removed. Ids are file and place: `wsj_0003/2` is the second tree of its file. inputs are the words joined
    by blanks, targets the tree on one line.
    """

    folder: str  # below tmp_dir
    homepage: str = ""  # where to get the corpus

    def present(self, tmp_dir: Path) -> bool:
        return (tmp_dir / self.folder).is_dir()

    def splits(self, tmp_dir: Path) -> tuple[str, ...]:
        return tuple(self._by_split(tmp_dir))

    def notes(self, tmp_dir: Path) -> tuple[str, ...]:
        root = tmp_dir / self.folder
        sections = {number // 100 for number in _numbered(root)}
        if max(sections, default=0) < SECTIONS[TRAIN].start:
            return (f"{root} holds the free sample: results on it are not comparable with published ones.",)
        missing = [f"{section:02d}" for wanted in SECTIONS.values() for section in wanted if section not in sections]
        return (f"{root} lacks sections {', '.join(missing)}.",) if missing else ()

    def examples(self, split: str, tmp_dir: Path) -> Iterator[Example]:
        for path in self._by_split(tmp_dir)[split]:
            try:
                lines = path.read_text(encoding="utf-8").split("\n")
            except UnicodeDecodeError as error:
                raise UserError(f"{path}: byte {error.start + 1} is not UTF-8.") from None
            for place, annotated in enumerate(read_trees(lines, str(path)), start=1):
                tree = without_traces(annotated)
                if tree is not None:  # a tree of traces only has no words
                    values = {"inputs": " ".join(tree.words), "targets": str(tree)}
                    yield Example(f"{path.stem.lower()}/{place}", values)

    def _by_split(self, tmp_dir: Path) -> dict[str, list[Path]]:
        root = tmp_dir / self.folder
        files = _numbered(root)
        layout = (
            f"Expected below it: wsj_0001.mrg and so on, or 00/wsj_0001.mrg and so on, itself or in "
            f"{', '.join(f'{base}/' for base in BASES if base)}."
            f"{f' Get it from {self.homepage}.' if self.homepage else ''}"
        )
        if not files:
            raise UserError(f"{root} holds no Treebank files. {layout}")
        sections = {number // 100 for number in files}
        if max(sections) < SECTIONS[TRAIN].start:
            by_split = {
                TRAIN: [files[number] for number in sorted(files) if number < SAMPLE_DEV_FROM],
                DEV: [files[number] for number in sorted(files) if number >= SAMPLE_DEV_FROM],
            }
            if not all(by_split.values()):
                raise UserError(
                    f"{root} holds part of the Treebank sample ({len(files)} files); the sample is wsj_0001.mrg and "
                    f"up, of which wsj_0{SAMPLE_DEV_FROM}.mrg and up is dev. {layout}"
                )
            return by_split
        if not sections & set(SECTIONS[TRAIN]) or not sections & set(SECTIONS[DEV]):
            raise UserError(
                f"{root} has the sections {', '.join(f'{section:02d}' for section in sorted(sections))} only: train is "
                f"02-21, dev is 22, test is 23; sections to train on and 22 are needed. {layout}"
            )
        return {
            split: [files[number] for number in sorted(files) if number // 100 in wanted]
            for split, wanted in SECTIONS.items()
            if sections & set(wanted)
        }


def _numbered(root: Path) -> dict[int, Path]:
    """Return the Treebank files of the first layout that exists, by number."""
    return next(filter(None, (_files(root / base) for base in BASES)), {})


def _files(base: Path) -> dict[int, Path]:
    """Return the Treebank files in `base` and in its section folders, by number."""
    numbered = (
        (re.fullmatch(r"wsj_(\d{4})\.mrg", path.name.lower()), path) for path in (*base.glob("*"), *base.glob("??/*"))
    )
    return {int(match[1]): path for match, path in numbered if match}
