"""What is said in WSJ0 and WSJ1, from the files in which a session's transcripts stand."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from t2t_mm.errors import UserError

LINE = re.compile(r"(.*)\((\w{8})(?:\s[^()]*)?\)\s*")  # what is said, and whose: an utterance, in .ptx and its prompt
NOISE = "<NOISE>"
READ_OUT = {"%PERCENT": "PERCENT", ".POINT": "POINT", "--DASH": "-DASH"}  # as the sets for tests and training differ


def normalised(transcript: str) -> str:
    """A detailed transcript (.dot) as the words that are heard, in capitals, as Kaldi's recipe for WSJ has them.

    Marks of noises that overlap words go (`[<door_slam]`, `[door_slam>]`, `[phone_ring/]`, `[/phone_ring]`), and so do
    pauses (`.`) and cut-offs (`~`); other noises (`[loud_breath]`) become NOISE; `<and>`, which is said but not meant,
    stays as `AND`; backslashes go. Punctuation that is said keeps its mark (`,COMMA`).
    """
    return " ".join(filter(None, map(_word, transcript.split())))


def _word(written: str) -> str:
    word = written.upper().replace("\\", "")
    if word in (".", "~") or re.search(r"^\[<\w+\]$|^\[\w+>\]$|\[\w+/\]$|\[/\w+\]$", word):
        return ""
    if re.search(r"\[\w+\]", word):
        return NOISE
    if said := re.fullmatch(r"<([\w']+)>", word):
        return said[1]
    return READ_OUT.get(word, word)


def prompted(text: str) -> str:
    """What a speaker was to read (.ptx) as words in capitals: its punctuation goes."""
    words = (word.strip('.,;:?!"`()').upper() for word in text.split())
    return " ".join(word for word in words if re.search(r"\w", word))


def by_utterance(files: Sequence[Path]) -> Mapping[str, str]:
    """What stands in a session's files, by utterance in small letters; the first file that names one counts.

    Raises UserError naming file and line for a line without an utterance at its end.
    """
    found: dict[str, str] = {}
    for path in files:
        for utterance, text in _lines(path):
            found.setdefault(utterance, text)
    return found


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(path.read_text(encoding="latin-1").splitlines(), start=1):
        if not line.strip():
            continue
        match = LINE.fullmatch(line)
        if not match:
            raise UserError(f"{path}, line {number}: expected words and (<utterance>) behind them; found {line!r:.80}.")
        yield match[2].lower(), match[1].strip()
