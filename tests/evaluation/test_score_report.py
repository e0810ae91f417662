import json

import numpy as np
import pytest

from t2t_mm.errors import UserError
from t2t_mm.evaluation.compare_runs import Difference
from t2t_mm.evaluation.score import Figure, Scores
from t2t_mm.evaluation.score_report import (
    difference_json,
    differences_table,
    scores_json,
    scores_line,
    scores_table,
    write,
)
from t2t_mm.metrics.on_text.base import PLAIN, POINTS, SHARE, ratio


def figure(name, head, style, total, count, higher_is_better=True, how=""):
    return Figure(name, head, style, higher_is_better, np.array([[total, count]]), ratio, how)


NATS = figure("log_perplexity", "log perplexity", PLAIN, 2.5, 1, higher_is_better=False)
TOKENS = figure("token_accuracy", "token accuracy", SHARE, 1, 2)
WER = figure("wer", "WER", SHARE, 1, 8, higher_is_better=False, how="jiwer")
BLEU = figure("bleu", "BLEU", POINTS, 27.346, 1, how="sacrebleu a")
NO_F1 = figure("bracket_f1", "bracket F1", POINTS, 0, 0, how="EVALB; all skipped")
SPEECH = Scores("speech", tuple("abcd"), (NATS, TOKENS), (WER,), unanswered=2, refusal="It is too long.")
TREES = Scores("trees", tuple("ab"), (NATS, TOKENS), (NO_F1,))
TEXT = Scores("text", tuple("abc"), (NATS, TOKENS), (BLEU,))


def cells(table):
    return {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}


def test_a_problem_has_a_row_and_a_metric_a_column():
    table = scores_table("t", [SPEECH, TEXT, TREES], "beam search")
    assert tuple(table.columns)[2:] == ("log perplexity", "token accuracy", "WER", "BLEU", "bracket F1")
    rows = cells(table)
    assert rows["speech"]["WER"] == "12.5 %" and rows["speech"]["log perplexity"] == "2.500"
    assert rows["text"]["BLEU"] == "27.35" and rows["text"]["examples"] == "3"
    assert rows["trees"]["bracket F1"] == "-" and rows["trees"]["BLEU"] == ""  # no figure; not its metric


def test_notes_say_which_metrics_are_teacher_forced_how_each_was_counted_and_what_is_missing():
    other = Scores("more", tuple("a"), (NATS,), (figure("bleu", "BLEU", POINTS, 1, 1, how="sacrebleu b"),))
    notes = "\n".join(scores_table("t", [SPEECH, TEXT, other], "greedy search").notes)
    assert "log perplexity (nats per target token) and token accuracy are teacher-forced" in notes
    assert "All other metrics are of decoded output: greedy search." in notes
    assert "Lower is better: log perplexity, WER." in notes
    assert "WER: jiwer.\nBLEU of text: sacrebleu a.\nBLEU of more: sacrebleu b." in notes
    assert "2 of 4 examples of speech could not be decoded and count as empty output" in notes
    assert notes.endswith("The reason for the first of them: It is too long.")


def test_the_figures_of_a_problem_are_one_line():
    assert scores_line(SPEECH) == "speech: log perplexity 2.500  token accuracy 50.0 %  WER 12.5 %"


def test_json_has_plain_figures_and_null_for_none():
    assert scores_json(TREES) == {
        "examples": 2,
        "unanswered": 0,
        "teacher_forced": {"log_perplexity": 2.5, "token_accuracy": 0.5},
        "decoded": {"bracket_f1": {"value": None, "how": "EVALB; all skipped"}},
    }


def test_a_difference_has_a_row_with_its_interval_and_verdict():
    differences = {
        "alone": [Difference("speech", WER, 0.125, 0.25, -0.2, -0.05)],
        "two": [Difference("x", BLEU, 1, 2, -3, 1)],
    }
    table = differences_table("t", "joint", differences, "beam search")
    assert [list(row) for row in table.rows] == [
        ["speech", "WER", "alone", "1", "12.5 %", "25.0 %", "-12.5 %", "-20.0 % to -5.0 %", "better"],
        ["x", "BLEU", "two", "1", "1.00", "2.00", "-1.00", "-3.00 to +1.00", "-"],
    ]
    assert tuple(table.columns)[-1] == "joint is"
    assert difference_json(differences["alone"][0]) == {
        "examples": 1,
        "first": 0.125,
        "second": 0.25,
        "difference": -0.125,
        "low": -0.2,
        "high": -0.05,
        "verdict": "better",
    }


def test_json_and_markdown_are_written_beside_each_other(tmp_path):
    table = scores_table("Title", [TEXT], "greedy search")
    paths = write(tmp_path / "eval" / "decoded-dev-7-alpha0.6", {"split": "dev"}, table)
    assert [path.name for path in paths] == ["decoded-dev-7-alpha0.6.json", "decoded-dev-7-alpha0.6.md"]
    assert json.loads(paths[0].read_text()) == {"split": "dev"}
    assert paths[1].read_text() == table.markdown() + "\n"
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="could not be written"):
        write(tmp_path / "file" / "x", {}, table)
