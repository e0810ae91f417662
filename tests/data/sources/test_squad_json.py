"""SQuAD's published JSON format."""

import json

import pytest

from t2t_mm.data.features.span import Marked
from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, TRAIN
from t2t_mm.registry import PROBLEMS

CONTEXT = "Ada lives in Brin. Gus works in Brin."


def entry(id, question, *answers):
    return {"id": id, "question": question, "answers": [{"text": t, "answer_start": b} for t, b in answers]}


def write(tmp_path, *questions, name="train-v1.1.json"):
    (tmp_path / "squad").mkdir(exist_ok=True)
    content = {"version": "1.1", "data": [{"title": "x", "paragraphs": [{"context": CONTEXT, "qas": list(questions)}]}]}
    (tmp_path / "squad" / name).write_text(json.dumps(content), encoding="utf-8")


def test_questions_come_with_their_paragraph_and_each_answer_once(tmp_path):
    source = PROBLEMS["qa_squad"].source
    write(tmp_path, entry("1", "Where? ", ("Brin", 13)), entry("2", "Who?", ("Gus", 19), ("Gus", 19), ("Ada", 0)))
    write(tmp_path, entry("3", " ", ("Brin", 32)), name="dev-v1.1.json")
    assert source.present(tmp_path) and source.splits(tmp_path) == (TRAIN, DEV)
    first, second = source.examples(TRAIN, tmp_path)
    assert first.id == "train/1" and first.values["inputs"] == ("Where?", CONTEXT)
    assert first.values["targets"] == Marked("Where?", CONTEXT, (("Brin", 13),))
    assert second.values["targets"].answers == (("Gus", 19), ("Ada", 0))
    [blank] = source.examples(DEV, tmp_path)
    assert blank.values["inputs"][0] == "?"


def test_what_is_missing_or_of_another_layout_is_named(tmp_path):
    source = PROBLEMS["qa_squad"].source
    with pytest.raises(UserError, match="There is no .*train-v1.1.json, which holds .*SQuAD-explorer"):
        source.splits(tmp_path)
    write(tmp_path, entry("1", "Where?"))
    with pytest.raises(UserError, match="the question 1 has no answer; version 1.1 is needed"):
        list(source.examples(TRAIN, tmp_path))
    for content, message in (
        ("{", "is not a complete JSON file"),
        ("[" * 100_000, "nests lists"),
        ('{"data": [{}]}', "is not laid out as .*KeyError"),
        ("[1]", "laid out"),
    ):
        (tmp_path / "squad" / "train-v1.1.json").write_text(content)
        with pytest.raises(UserError, match=message):
            list(source.examples(TRAIN, tmp_path))


@pytest.mark.parametrize(
    ("question", "message"),
    [
        (entry("1", "Where?", ("Br\ud83d", 13)), "the question '1' holds .ud83d, half of a character, at place 3"),
        (entry("1", "Wh\ude00?", ("Brin", 13)), "the question '1' holds .ude00, half of a character, at place 3"),
        (entry("1", None, ("Brin", 13)), "is not laid out as .*AttributeError"),
        (entry("1", "Where?", ("Brin", "x")), "is not laid out as .*ValueError"),
    ],
)
def test_what_can_not_be_text_is_named(tmp_path, question, message):
    write(tmp_path, question)
    with pytest.raises(UserError, match=message):
        list(PROBLEMS["qa_squad"].source.examples(TRAIN, tmp_path))


def test_made_questions_are_answered_by_their_text():
    source = PROBLEMS["qa_villages"].source
    for index in range(50):
        question, text, [(words, begin)] = source.example(TRAIN, index)["targets"]
        assert text[begin : begin + len(words)] == words and text[begin + len(words)] == "."
        name = question.split()[2]
        assert text[:begin].split(". ")[-1].startswith(name) and text.count(name) == 1
