"""WSJ0 and WSJ1, read sentences of the Wall Street Journal, in the LDC's folders."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from t2t_mm.data.features.input_file import read_input_file
from t2t_mm.data.sources.lazy_values import LazyValues
from t2t_mm.data.sources.wsj_transcripts import by_utterance, normalised, prompted
from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, TEST, TRAIN, Example, Source

INDICES = {  # the lists that Kaldi uses, below wsj0/ or wsj1/
    TRAIN: ("wsj0/doc/indices/train/tr_s_wv1.ndx", "wsj1/doc/indices/si_tr_s.ndx"),  # si284
    DEV: ("wsj1/doc/indices/h1_p0.ndx",),  # dev93
    TEST: ("wsj0/doc/indices/test/nvp/si_et_20.ndx",),  # eval92
}
LEFT_OUT = "wsj0/si_tr_s/401/"  # a speaker that Kaldi leaves out
FULL = {TRAIN: 37_416, DEV: 503, TEST: 333}  # utterances


@dataclass(frozen=True)
class WsjSpeech(Source):
    """The discs of WSJ0 and WSJ1 below `folder`, in any folders (`11-1.1/wsj0/...`, or `wsj0/...` of all discs).

    It reads the folders `wsj0` and `wsj1`: in them the indices (.ndx) of Kaldi's recipe, the audio files that they list
    (.wv1, the Sennheiser microphone) and the transcripts of every session (`<session>00.dot`, else `.ptx`). Names may
    be in lower case or in capitals. si284 is train, dev93 dev, eval92 test. Listed audio files that do not exist are
    skipped; `notes` counts them. inputs are the bytes of a file, targets its transcript in Kaldi's form
    (`wsj_transcripts.py`), empty if there is none. Ids are utterances, such as `01ic0201`, and examples are sorted by
    them.
    """

    folder: str  # below tmp_dir
    homepage: str = ""  # where to get the corpus

    def present(self, tmp_dir: Path) -> bool:
        return (tmp_dir / self.folder).is_dir()

    def splits(self, tmp_dir: Path) -> tuple[str, ...]:
        tree = _Tree(tmp_dir / self.folder)
        missing = [index for split in (TRAIN, DEV) for index in INDICES[split] if index not in tree.files]
        if missing:
            raise UserError(f"{tree.root} lacks {' and '.join(missing)}. {self._layout()}")
        empty = [split for split in (TRAIN, DEV) if not tree.audio_files(split)]
        if empty:
            raise UserError(
                f"{tree.root} has none of the audio files (.wv1) that {' and '.join(INDICES[empty[0]])} lists. "
                f"{self._layout()}"
            )
        if not any(name.endswith((".dot", ".ptx")) for name in tree.files):
            raise UserError(f"{tree.root} holds no transcripts (.dot or .ptx). {self._layout()}")
        return tuple(split for split in INDICES if tree.audio_files(split))

    def notes(self, tmp_dir: Path) -> tuple[str, ...]:
        tree = _Tree(tmp_dir / self.folder)
        counts = {split: len(tree.audio_files(split)) for split in INDICES}
        return tuple(
            f"{tree.root}: {counts[split]:,} of the {FULL[split]:,} utterances of {split} are present."
            for split in INDICES
            if counts[split] != FULL[split]
        )

    def examples(self, split: str, tmp_dir: Path) -> Iterator[Example]:
        tree = _Tree(tmp_dir / self.folder)
        session, dot, ptx = "", {}, {}
        for utterance, path in sorted(tree.audio_files(split).items()):
            if utterance[:6] != session:
                session = utterance[:6]
                dot, ptx = (dict(by_utterance(tree.transcripts(session, suffix))) for suffix in (".dot", ".ptx"))
            words = normalised(dot[utterance]) if utterance in dot else prompted(ptx.get(utterance, ""))
            audio = partial(read_input_file, path.name, path.parent, "audio file")
            yield Example(utterance, LazyValues(inputs=audio, targets=words))

    def _layout(self) -> str:
        source = f" Get it from {self.homepage}." if self.homepage else ""
        return (
            "Expected below it: the discs of WSJ0 and WSJ1, each in a folder of its own (11-1.1/wsj0/, 13-34.1/wsj1/) "
            f"or all in one (wsj0/, wsj1/), with doc/, the audio files (.wv1) and the transcripts (.dot).{source}"
        )


@dataclass
class _Tree:
    """The files of all discs by their lower-case names, starting at `wsj0/` or `wsj1/`."""

    root: Path
    files: dict[str, Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for folder, below, names in os.walk(self.root, followlinks=True):
            below.sort()
            parts = [part.lower() for part in Path(folder).relative_to(self.root).parts]
            start = next((place for place, part in enumerate(parts) if part in ("wsj0", "wsj1")), None)
            if start is None:
                continue
            for name in sorted(names):
                if name.lower().endswith((".ndx", ".wv1", ".dot", ".ptx")):
                    self.files.setdefault("/".join([*parts[start:], name.lower()]), Path(folder) / name)
        self._sessions: dict[str, list[Path]] = {}
        for name, path in self.files.items():
            if match := re.fullmatch(r".*/(\w{6})00(\.dot|\.ptx)", name):
                self._sessions.setdefault(match[1] + match[2], []).append(path)

    def audio_files(self, split: str) -> dict[str, Path]:
        """Return the existing files that the indices of `split` list, by utterance."""
        listed = (name for index in INDICES[split] if index in self.files for name in _listed(self.files[index]))
        present = (name for name in listed if name in self.files and not name.startswith(LEFT_OUT))
        return {Path(name).stem: self.files[name] for name in present}

    def transcripts(self, session: str, suffix: str) -> list[Path]:
        """Return the transcript files of a session."""
        return self._sessions.get(session + suffix, [])


def _listed(index: Path) -> Iterator[str]:
    """Yield the audio files of an index, such as `wsj0/si_tr_s/01i/01ic0201.wv1`.

    Raises UserError naming an invalid line.
    """
    for number, line in enumerate(index.read_text(encoding="latin-1").splitlines(), start=1):
        if not line.strip() or line.startswith(";"):
            continue
        match = re.fullmatch(r"[0-9_]+:\s*(\S+?)(?:\.wv1)?", line.strip().lower())
        if not match:
            raise UserError(f"{index}, line {number}: expected <disc>:<file>; found {line!r:.80}.")
        yield match[1].lstrip("/") + ".wv1"
