"""The decoder's requests: each line of a file, or that is typed, asks for the decoding of one input.

A line is the input itself, a text or the path of an image or audio file, or a JSON object that holds it:
{"problem": "translate_north_south", "inputs": "...", "id": 17}. If it names no problem, the kind of the input decides,
provided that only one problem of the run reads such inputs. A line that cannot be decoded is a request too: it holds
the reason.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, BinaryIO

from t2t_mm.decoding.answers import Failure
from t2t_mm.errors import UnknownName, UserError

if TYPE_CHECKING:
    from t2t_mm.decoding.decoder import Decoder, Item

MOST_BYTES = 1_000_000  # of a line: a longer one is hardly a line of text
KINDS = {"text": "text", "image": "images", "audio": "audio"}  # by how the names of a kind's modalities begin
KIND_OF = dict.fromkeys((".jpg", ".jpeg", ".png"), "image") | dict.fromkeys((".wav", ".flac", ".ogg", ".mp3"), "audio")


@dataclass(frozen=True, kw_only=True)
class Request:
    """One line's input and problem."""

    number: int  # of the line in its file, from 1
    inputs: str  # as written: a text, or a path
    item: "Item | Failure"  # ready to be decoded, or the reason why it cannot be
    problem: str | None = None
    others: Mapping[str, Any] = field(default_factory=dict)  # further keys of a JSON line, which come back unchanged


@dataclass(frozen=True)
class RequestReader:
    """A reader that turns lines into requests."""

    decoder: "Decoder"
    problem: str | None  # of lines that name none
    folder: Path  # that paths are relative to
    remedy: str  # what to do about a line that several problems could decode

    def read(self, number: int, line: bytes) -> Request:
        """Return the request in `line`; one that cannot be decoded holds a Failure."""
        try:
            text = decoded(line)
            content = from_json(text) or {"inputs": text}
        except UserError as error:
            shown = line[:MOST_BYTES].decode("utf-8", "replace")
            return Request(number=number, inputs=shown, item=Failure(str(error)))
        inputs, problem = content["inputs"], content.get("problem") or self.problem
        others = {key: value for key, value in content.items() if key not in ("inputs", "problem")}
        item: Item | Failure
        try:
            problem = problem or self.only_reader(inputs)
            codec = self.decoder.source_codec(problem)
            empty = not inputs.strip() and not self.decoder.continues(problem)
            value = "" if empty else codec.parse(inputs, self.folder)
            item = self.decoder.item(problem, value, number)
        except UserError as error:
            item = Failure(str(error))
        return Request(number=number, inputs=inputs, item=item, problem=problem, others=others)

    def only_reader(self, inputs: str) -> str:
        """Return the one problem that reads inputs of this kind, or, for a text that none reads, that continues it.

        Raises UserError if there is none, or more than one.
        """
        kind = KIND_OF.get(PurePath(inputs.strip()).suffix.lower(), "text")
        candidates = [
            name
            for name, codecs in self.decoder.codecs.items()
            if "inputs" in codecs and codecs["inputs"].port.modality.startswith(kind)
        ]
        does = f"read {KINDS[kind]}"
        continuing = [name for name in self.decoder.codecs if self.decoder.continues(name)]
        if kind == "text" and continuing and not candidates:
            candidates, does = continuing, "continue texts"
        elif not inputs.strip():
            raise UserError("The input is empty.")
        if len(candidates) > 1:
            raise UserError(f"{len(candidates)} problems {does}: {', '.join(sorted(candidates))}. {self.remedy}")
        if not candidates:
            learnt = ", ".join(self.decoder.codecs)
            raise UserError(f"No problem of the run reads {KINDS[kind]}; it learnt {learnt}.")
        return candidates[0]


def decoded(line: bytes) -> str:
    """Return a line as text. Raises UserError for one that is not UTF-8 or too long."""
    if len(line) > MOST_BYTES:
        raise UserError(f"The line has more than {MOST_BYTES:,} bytes; a line is one input.")
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"The line is not UTF-8 text: {error.reason} at byte {error.start + 1}.") from None


def from_json(text: str) -> dict[str, Any] | None:
    """Return the content of a JSON request, or None for a line that is the input itself.

    A request is an object with the key "inputs". Raises UserError for a line that begins like one and is broken.
    """
    start = text.strip()
    if not start.startswith("{"):
        return None
    try:
        content = json.loads(start)
        json.dumps(content, allow_nan=False, ensure_ascii=False).encode()  # the answer repeats it
    except (ValueError, RecursionError) as error:
        if start.startswith('{"') and '"inputs"' in start:
            raise UserError(f"The line begins like a JSON request, but is not valid: {error}.") from None
        return None
    if "inputs" not in content:
        if "problem" in content:
            raise UserError('The JSON request names a problem, but has no "inputs".')
        return None
    for key, kinds, what in (("inputs", str, "a text or a path"), ("problem", str | None, "the name of a problem")):
        if not isinstance(content.get(key), kinds):
            raise UserError(f'"{key}" must be {what}. Received: {json.dumps(content[key]):.60}.')
    return dict(content)


def lines_of(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of a file without their ends; one that is too long is cut, to a length that is too long still."""
    number = 0
    while line := file.readline(MOST_BYTES + 1):
        rest = line
        while len(rest) > MOST_BYTES and not rest.endswith(b"\n"):
            rest = file.readline(MOST_BYTES + 1)
        line = line.removesuffix(b"\n").removesuffix(b"\r")
        yield line.removeprefix(b"\xef\xbb\xbf") if number == 0 else line  # without a byte order mark
        number += 1


def fingerprint(requests: Sequence[Request]) -> str:
    """Return the sha256 of requests, the contents of the files that they name included."""
    digest = hashlib.sha256()
    for request in requests:
        failed = isinstance(request.item, Failure)
        stored = b"" if isinstance(request.item, Failure) else request.item.stored
        parts = (request.number, request.inputs, request.problem, dict(request.others), failed, len(stored))
        digest.update(ascii(parts).encode())
        digest.update(stored)
    return digest.hexdigest()


def check_known(problem: str, problems: Sequence[str]) -> None:
    """Raise UnknownName unless the run learnt `problem`."""
    if problem not in problems:
        raise UnknownName("problem of this run", problem, problems)
