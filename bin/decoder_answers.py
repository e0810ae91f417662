"""The decoder's answers: requests through the model, and what is written of the results, one line for each request."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from t2t_mm.bin.decoder_requests import Request
from t2t_mm.decoding.answers import Answer, Decoded, DecodeOptions, Failure, Result

if TYPE_CHECKING:
    from t2t_mm.decoding.decoder import Decoder, Item

ESCAPED = {ord(letter): f"\\u{ord(letter):04x}" for letter in "\x85\u2028\u2029"}  # ends of lines to some, not to JSON
DIGITS = 5  # of a score or probability in JSON; the last ones of a float32 hang on the batch


@dataclass(frozen=True)
class Answered:
    """The lines to write, and what to say of the requests that could not be answered."""

    lines: tuple[str, ...]
    slips: tuple[str, ...]


@dataclass(frozen=True)
class Writer:
    """How answers are written."""

    format: str  # "text" or "jsonl"
    most: int | None  # answers to each request, with their scores; None: the best alone

    def write(self, decoder: "Decoder", requests: Sequence[Request], how: DecodeOptions) -> Answered:
        """Answer `requests`; their order is kept."""
        results = answer(decoder, requests, how)
        failures = [(request.number, result) for request, result in zip(requests, results, strict=True)]
        return Answered(
            tuple(self.line(decoder, request, result) for request, result in zip(requests, results, strict=True)),
            tuple(f"line {number:,}: {found.reason}" for number, found in failures if isinstance(found, Failure)),
        )

    def line(self, decoder: "Decoder", request: Request, result: Result) -> str:
        """What is written of one result, without the end of the line."""
        if self.format == "text":
            return as_text(result, self.most)
        written = json.dumps(as_json(decoder, request, result, self.most), ensure_ascii=False, allow_nan=False)
        return written.translate(ESCAPED)


def answer(decoder: "Decoder", requests: Sequence[Request], how: DecodeOptions) -> list[Result]:
    """A result for each request, in order; the requests of each problem are decoded together."""
    results: dict[int, Result] = {}
    by_problem: dict[str, dict[int, Item]] = {}
    for place, request in enumerate(requests):
        if isinstance(request.item, Failure):
            results[place] = request.item
        elif request.problem is not None:
            by_problem.setdefault(request.problem, {})[place] = request.item
    for problem, items in by_problem.items():
        results |= zip(items, decoder.answer(problem, list(items.values()), how), strict=True)
    return [results[place] for place in range(len(requests))]


def as_text(result: Result, most: int | None) -> str:
    """The best answer, or up to `most`, each with its score behind, with tabs between; nothing for a Failure."""
    if isinstance(result, Failure):
        return ""
    if most is None:
        return _one_line(result.text)
    return "\t".join(f"{_one_line(one.text)}\t{one.score:.4f}" for one in result.answers[:most])


def as_json(decoder: "Decoder", request: Request, result: Result, most: int | None) -> Mapping[str, Any]:
    """A request with its answers, or with the reason why it has none; its own further keys stand in between."""
    asked = {"problem": request.problem, "inputs": request.inputs}
    if isinstance(result, Failure):
        own: dict[str, Any] = asked | {"error": result.reason}
    else:
        own = asked | {"outputs": _outputs(decoder, request, result, 1 if most is None else most)}
    others = {key: value for key, value in request.others.items() if key not in own and key != "line"}
    return {"line": request.number} | others | own


def _outputs(decoder: "Decoder", request: Request, result: Decoded, most: int) -> list[dict[str, Any]]:
    generated = request.problem is not None and decoder.net.generates(request.problem)
    return [_generated(one) if generated else _class(one) for one in result.answers[:most]]


def _generated(one: Answer) -> dict[str, Any]:
    return {"text": one.text, "score": _rounded(one.score), "whole": one.whole}


def _class(one: Answer) -> dict[str, Any]:
    return {"class": one.text, "probability": _rounded(one.score)}


def _rounded(number: float) -> float:
    return float(f"{number:.{DIGITS}g}")


def _one_line(text: str) -> str:
    return " ".join(text.replace("\t", " ").splitlines())
