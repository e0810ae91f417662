"""The decoder's requests: what each line of a file, or what is typed, asks for.

A line is the input itself, a text or the path of a sound or picture, or a JSON object that holds it:
{"problem": "translate_north_south", "inputs": "...", "id": 17}. A problem that is not named is found by what the input
is, where one problem of the run reads such inputs. What cannot be answered is a request too, with the reason.
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

MOST_BYTES = 1_000_000  # of a line: what is longer was hardly meant as one
READS = {"text": "text", "image": "pictures", "audio": "sounds"}  # by how the names of a kind's modalities begin
KIND_OF = dict.fromkeys((".jpg", ".jpeg", ".png"), "image") | dict.fromkeys((".wav", ".flac", ".ogg", ".mp3"), "audio")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What one line asks for."""

    number: int  # of the line in its file, from 1
    inputs: str  # as they were written: a text, or a path
    item: "Item | Failure"  # ready to be decoded, or why it can't be
    problem: str | None = None
    others: Mapping[str, Any] = field(default_factory=dict)  # what else a JSON line holds: it comes back unchanged


@dataclass(frozen=True)
class Reader:
    """Makes requests of lines."""

    decoder: "Decoder"
    problem: str | None  # of lines that name none
    folder: Path  # that paths are relative to
    remedy: str  # what to do about a line that several problems could answer

    def read(self, number: int, line: bytes) -> Request:
        """The request that `line` makes; one that can't be answered holds a Failure."""
        try:
            text = decoded(line)
            asked = from_json(text) or {"inputs": text}
        except UserError as error:
            shown = line[:MOST_BYTES].decode("utf-8", "replace")
            return Request(number=number, inputs=shown, item=Failure(str(error)))
        inputs, problem = asked["inputs"], asked.get("problem") or self.problem
        others = {key: value for key, value in asked.items() if key not in ("inputs", "problem")}
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
        """The one problem that reads what `inputs` is, or, of a text that none reads, goes on with it.

        Raises UserError where none or several do.
        """
        kind = KIND_OF.get(PurePath(inputs.strip()).suffix.lower(), "text")
        found = [
            name
            for name, codecs in self.decoder.codecs.items()
            if "inputs" in codecs and codecs["inputs"].port.modality.startswith(kind)
        ]
        does = f"read {READS[kind]}"
        begun = [name for name in self.decoder.codecs if self.decoder.continues(name)]
        if kind == "text" and begun and not found:
            found, does = begun, "go on with texts"
        elif not inputs.strip():
            raise UserError("The input is empty.")
        if len(found) > 1:
            raise UserError(f"{len(found)} problems {does}: {', '.join(sorted(found))}. {self.remedy}")
        if not found:
            raise UserError(f"No problem of the run reads {READS[kind]}; it learnt {', '.join(self.decoder.codecs)}.")
        return found[0]


def decoded(line: bytes) -> str:
    """A line as text. Raises UserError for one that is no UTF-8 or too long."""
    if len(line) > MOST_BYTES:
        raise UserError(f"It has more than {MOST_BYTES:,} bytes; a line is one input.")
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"It is no UTF-8 text: {error.reason} at byte {error.start + 1}.") from None


def from_json(text: str) -> dict[str, Any] | None:
    """What a JSON request holds, or None for a line that is the input itself.

    A request is an object with the key "inputs". Raises UserError for a line that begins like one and is broken.
    """
    start = text.strip()
    if not start.startswith("{"):
        return None
    try:
        found = json.loads(start)
        json.dumps(found, allow_nan=False, ensure_ascii=False).encode()  # it will have to be written again
    except (ValueError, RecursionError) as error:
        if start.startswith('{"') and '"inputs"' in start:
            raise UserError(f"It begins like a JSON request, but is none: {error}.") from None
        return None
    if "inputs" not in found:
        if "problem" in found:
            raise UserError('The JSON request names a problem, but has no "inputs".')
        return None
    for key, kinds, what in (("inputs", str, "a text or a path"), ("problem", str | None, "the name of a problem")):
        if not isinstance(found.get(key), kinds):
            raise UserError(f'"{key}" is {what}. Received: {json.dumps(found[key]):.60}.')
    return dict(found)


def lines_of(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file without their ends; of one that is too long, a beginning that is too long."""
    number = 0
    while line := file.readline(MOST_BYTES + 1):
        rest = line
        while len(rest) > MOST_BYTES and not rest.endswith(b"\n"):
            rest = file.readline(MOST_BYTES + 1)
        line = line.removesuffix(b"\n").removesuffix(b"\r")
        yield line.removeprefix(b"\xef\xbb\xbf") if number == 0 else line  # a byte order mark is no text
        number += 1


def fingerprint(requests: Sequence[Request]) -> str:
    """The sha256 of all that requests ask, the contents of the files that they name included."""
    digest = hashlib.sha256()
    for request in requests:
        failed = isinstance(request.item, Failure)
        stored = b"" if isinstance(request.item, Failure) else request.item.stored
        asked = (request.number, request.inputs, request.problem, dict(request.others), failed, len(stored))
        digest.update(ascii(asked).encode())
        digest.update(stored)
    return digest.hexdigest()


def check_known(problem: str, problems: Sequence[str]) -> None:
    """Raise UnknownName unless the run learnt `problem`."""
    if problem not in problems:
        raise UnknownName("problem of this run", problem, problems)
