import json
from types import SimpleNamespace

import pytest

from t2t_mm.bin.decoder_answers import AnswerWriter, answer, as_text
from t2t_mm.bin.decoder_requests import Request
from t2t_mm.decoding.answers import Answer, Decoded, DecodeOptions, Failure
from t2t_mm.decoding.decoder import Item

BOTH = Decoded((Answer("ein\tHund\n", -0.123456789), Answer("der Hund", -2.0, complete=False)))
CLASSES = Decoded((Answer("cat", 0.75), Answer("dog", 0.00012345678)))


class Echo:
    """A decoder that answers with the problem and the item's own text; "name" has classes."""

    net = SimpleNamespace(generates=lambda problem: problem != "name")

    def __init__(self):
        self.calls = []

    def answer(self, problem, items, options):
        self.calls.append((problem, [item.source for item in items]))
        return [Decoded((Answer(f"{problem} {item.source}", -1.0),)) for item in items]


def request(number, problem="translate", item=None, **others):
    return Request(number=number, inputs="the dög", problem=problem, item=item, others=others)


def test_the_best_answer_is_one_line_and_several_stand_between_tabs_with_scores():
    assert as_text(BOTH, None) == "ein Hund"
    assert as_text(BOTH, 5) == "ein Hund\t-0.1235\tder Hund\t-2.0000"
    assert as_text(BOTH, 1) == "ein Hund\t-0.1235"
    assert as_text(Failure("no"), None) == as_text(Failure("no"), 5) == ""


FIRST = {"text": "ein\tHund\n", "score": -0.12346, "whole": True}
SECOND = {"text": "der Hund", "score": -2.0, "whole": False}
CAT, DOG = {"class": "cat", "probability": 0.75}, {"class": "dog", "probability": 0.00012346}


@pytest.mark.parametrize(
    "problem, result, most, expected",
    [
        ("translate", BOTH, None, {"outputs": [FIRST]}),
        ("translate", BOTH, 5, {"outputs": [FIRST, SECOND]}),
        ("name", CLASSES, 5, {"outputs": [CAT, DOG]}),
        ("name", CLASSES, None, {"outputs": [CAT]}),
        (None, Failure("Why not."), None, {"error": "Why not."}),
    ],
)
def test_a_json_line_holds_the_request_and_its_answers_or_the_reason(problem, result, most, expected):
    line = AnswerWriter("jsonl", most).line(Echo(), request(3, problem), result)
    assert json.loads(line) == {"line": 3, "problem": problem, "inputs": "the dög"} | expected
    assert "\n" not in line and "dög" in line


def test_no_output_of_a_model_ends_a_line():
    odd = Decoded((Answer("a\r\nb\x0bc\x1cd\x85e\u2028f\tg", 0.0),))
    assert as_text(odd, None) == "a b c d e f g"
    line = AnswerWriter("jsonl", None).line(Echo(), request(1), odd)
    assert line.splitlines() == [line]
    assert json.loads(line)["outputs"][0]["text"] == odd.text


def test_further_keys_come_back_and_never_hide_the_answer():
    one = request(3, item=None, id=9, line=99, outputs="mine", error="mine")
    written = json.loads(AnswerWriter("jsonl", None).line(Echo(), one, BOTH))
    assert list(written) == ["line", "id", "error", "problem", "inputs", "outputs"]
    assert (written["line"], written["id"], written["error"]) == (3, 9, "mine")
    assert written["outputs"][0]["text"] == "ein\tHund\n"


def test_requests_of_a_problem_share_a_batch_and_the_order_is_kept():
    items = [Item(b"", 1, text, place) for place, text in enumerate("abcd")]
    requests = [
        request(1, "translate", items[0]),
        request(2, "name", items[1]),
        request(3, None, Failure("broken")),
        request(4, "translate", items[2]),
        request(5, "name", items[3]),
    ]
    echo = Echo()
    results = answer(echo, requests, DecodeOptions())
    assert echo.calls == [("translate", ["a", "c"]), ("name", ["b", "d"])]
    assert [getattr(result, "reason", None) or result.text for result in results] == [
        "translate a",
        "name b",
        "broken",
        "translate c",
        "name d",
    ]


def test_a_failure_is_reported_with_its_line():
    requests = [request(1234, item=Failure("broken")), request(1235, item=Item(b"", 1, "a", 0))]
    answered = AnswerWriter("text", None).write(Echo(), requests, DecodeOptions())
    assert answered.lines == ("", "translate a")
    assert answered.errors == ("line 1,234: broken",)
