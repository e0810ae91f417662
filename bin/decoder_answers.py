"""The decoder's answers: requests are decoded, and each result becomes one line of text or JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from t2t_mm.bin.decoder_requests import Request
from t2t_mm.decoding.answers import Answer, Decoded, DecodeOptions, Failure, Result

if TYPE_CHECKING:
    from t2t_mm.decoding.decoder import Decoder, Item

ESCAPED = {ord(letter): f"\\u{ord(letter):04x}" for letter in "\x85\u2028\u2029"}  # ends of lines to some, not to JSON
DIGITS = 5  # of a score or probability in JSON: the last digits of a float32 depend on the batch


@dataclass(frozen=True)
class Answered:
    """The answers to a window of requests."""

    lines: tuple[str, ...]  # to write
    errors: tuple[str, ...]  # a sentence for each request that could not be decoded


@dataclass(frozen=True)
class AnswerWriter:
    """The form in which answers are written."""

    format: str  # "text" or "jsonl"
    most: int | None  # answers to each request, with their scores; None: the best one without its score

    def write(self, decoder: "Decoder", requests: Sequence[Request], how: DecodeOptions) -> Answered:
        """Decode `requests`, and return a line for each, in the same order."""
        pairs = list(zip(requests, answer(decoder, requests, how), strict=True))
        return Answered(
            tuple(self.line(decoder, request, result) for request, result in pairs),
            tuple(f"line {one.number:,}: {result.reason}" for one, result in pairs if isinstance(result, Failure)),
        )

    def line(self, decoder: "Decoder", request: Request, result: Result) -> str:
        """Return the line for one result, without its end."""
        if self.format == "text":
            return as_text(result, self.most)
        line = json.dumps(as_json(decoder, request, result, self.most), ensure_ascii=False, allow_nan=False)
        return line.translate(ESCAPED)


def answer(decoder: "Decoder", requests: Sequence[Request], how: DecodeOptions) -> list[Result]:
    """Return a result for each request, in order; the requests of each problem are decoded as batches."""
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
    """Return the best answer, or up to `most`, each followed by its score, with tabs between; "" for a Failure."""
    if isinstance(result, Failure):
        return ""
    if most is None:
        return _one_line(result.text)
    return "\t".join(f"{_one_line(one.text)}\t{one.score:.4f}" for one in result.answers[:most])


def as_json(decoder: "Decoder", request: Request, result: Result, most: int | None) -> Mapping[str, Any]:
    """Return a request with its answers, or with the reason why it has none.

    Further keys of the request come back behind "line"; none of them replaces a key of the answer.
    """
    answered: dict[str, Any] = {"problem": request.problem, "inputs": request.inputs}
    if isinstance(result, Failure):
        answered["error"] = result.reason
    else:
        answered["outputs"] = _outputs(decoder, request, result, 1 if most is None else most)
    others = {key: value for key, value in request.others.items() if key not in answered and key != "line"}
    return {"line": request.number} | others | answered


def _outputs(decoder: "Decoder", request: Request, result: Decoded, most: int) -> list[dict[str, Any]]:
    generated = request.problem is not None and decoder.net.generates(request.problem)
    return [_generated(one) if generated else _class(one) for one in result.answers[:most]]


def _generated(one: Answer) -> dict[str, Any]:
    return {"text": one.text, "score": _rounded(one.score), "whole": one.complete}


def _class(one: Answer) -> dict[str, Any]:
    return {"class": one.text, "probability": _rounded(one.score)}


def _rounded(number: float) -> float:
    return float(f"{number:.{DIGITS}g}")


def _one_line(text: str) -> str:
    return " ".join(text.replace("\t", " ").splitlines())
