"""The transcripts of WSJ0 and WSJ1, from the files of each session."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from t2t_mm.errors import UserError

LINE = re.compile(r"(.*)\((\w{8})(?:\s[^()]*)?\)\s*")  # words, and in brackets the utterance, in .ptx also its prompt
NOISE = "<NOISE>"
READ_OUT = {"%PERCENT": "PERCENT", ".POINT": "POINT", "--DASH": "-DASH"}  # the test and training sets differ in these


def normalised(transcript: str) -> str:
    """Return a detailed transcript (.dot) as the spoken words, in capitals, as in Kaldi's recipe for WSJ.

    Marks of noises that overlap words (`[<door_slam]`, `[door_slam>]`, `[phone_ring/]`, `[/phone_ring]`), pauses (`.`)
    and cut-offs (`~`) are removed. Other noises (`[loud_breath]`) become NOISE. `<and>`, a word that was said but not
    intended, becomes `AND`. Backslashes are removed. Spoken punctuation keeps its mark (`,COMMA`).
    """
    return " ".join(filter(None, map(_word, transcript.split())))


def _word(written: str) -> str:
    word = written.upper().replace("\\", "")
    if word in (".", "~") or re.search(r"^\[<\w+\]$|^\[\w+>\]$|\[\w+/\]$|\[/\w+\]$", word):
        return ""
    if re.search(r"\[\w+\]", word):
        return NOISE
    if unintended := re.fullmatch(r"<([\w']+)>", word):
        return unintended[1]
    return READ_OUT.get(word, word)


def prompted(text: str) -> str:
    """Return the prompt of a speaker (.ptx) as words in capitals, without punctuation."""
    words = (word.strip('.,;:?!"`()').upper() for word in text.split())
    return " ".join(word for word in words if re.search(r"\w", word))


def by_utterance(files: Sequence[Path]) -> Mapping[str, str]:
    """Return the texts in a session's files, by utterance in lower case. The first file with an utterance counts.

    Raises UserError naming file and line if a line does not end with an utterance.
    """
    texts: dict[str, str] = {}
    for path in files:
        for utterance, text in _lines(path):
            texts.setdefault(utterance, text)
    return texts


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(path.read_text(encoding="latin-1").splitlines(), start=1):
        if not line.strip():
            continue
        match = LINE.fullmatch(line)
        if not match:
            raise UserError(f"{path}, line {number}: expected words and then (<utterance>); found {line!r:.80}.")
        yield match[2].lower(), match[1].strip()
