import io
import json
import os

import pytest
from rich.console import Console

from t2t_mm.errors import UserError
from t2t_mm.evaluation.baselines import BaselineComparison
from t2t_mm.evaluation.results import Result, results_table, write_results
from t2t_mm.train.mixture.plan import PlanRow, plan_table

TRANSLATION = Result(
    problem="translate_here_there",
    examples=1014,
    metrics={"neg_log_perplexity": -2.3456, "accuracy": 0.4561, "accuracy_per_sequence": 0.0123},
    standing=BaselineComparison(2.3456, 6.2, 3.4, 1.02, 1.13),
    classes=False,
    unigram_accuracy=0.07,
)
PICTURES = Result(
    problem="image_shapes",
    examples=500,
    metrics={"neg_log_perplexity": -1.5, "accuracy": 0.25, "accuracy_per_sequence": 0.25, "accuracy_top5": 0.9},
    standing=BaselineComparison(1.5, 2.302, 1.51, -0.02, 0.04),
    classes=True,
    unigram_accuracy=0.1,
)


def cells(table) -> dict[str, dict[str, str]]:
    return {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}


def printed(table, *, terminal: bool, width: int = 120) -> str:
    out = io.StringIO()
    table.show(Console(file=out, force_terminal=terminal, width=width, color_system=None))
    return out.getvalue()


def test_a_sequence_problem_shows_its_figures_beside_its_baselines():
    row = cells(results_table(1200, [TRANSLATION, PICTURES]))["translate_here_there"]
    assert row == {
        "problem": "translate_here_there",
        "log perplexity": "2.346",
        "token accuracy": "45.6 %",
        "sequence accuracy": "1.2 %",
        "top-1": "-",
        "accuracy top5": "-",
        "unigram baseline": "6.200",
        "permuted inputs": "3.400",
        "gain from input (95 %)": "1.020 to 1.130",
        "learnt": "yes",
    }


def test_a_class_problem_shows_top1_and_the_most_frequent_class_and_may_not_have_learnt():
    row = cells(results_table(1200, [TRANSLATION, PICTURES]))["image_shapes"]
    assert (row["token accuracy"], row["sequence accuracy"], row["top-1"]) == ("-", "-", "25.0 %")
    assert row["accuracy top5"] == "90.0 %"
    assert row["unigram baseline"] == "2.302 / 10.0 %"
    assert row["gain from input (95 %)"] == "-0.020 to 0.040"
    assert row["learnt"] == "no"


def test_a_problem_without_inputs_has_no_permuted_ones():
    language = Result("words", 10, {}, BaselineComparison(2.0, 3.0), classes=False)
    row = cells(results_table(1, [language]))["words"]
    assert (row["permuted inputs"], row["gain from input (95 %)"], row["learnt"]) == ("-", "-", "yes")


def test_a_quiet_console_shows_no_table():
    out = io.StringIO()
    results_table(1200, [TRANSLATION]).show(Console(file=out, quiet=True))
    assert out.getvalue() == ""


def test_where_there_is_no_terminal_the_table_is_markdown_however_wide():
    lines = printed(results_table(1200, [TRANSLATION, PICTURES]), terminal=False, width=40).splitlines()
    assert lines[0] == "Results at step 1,200"
    table = lines[2:6]
    assert len({len(line) for line in table}) == 1
    assert all(line.startswith("| ") and line.endswith(" |") for line in (table[0], *table[2:]))
    assert [cell.strip() for cell in table[0].strip("|").split("|")][-1] == "learnt"
    assert set(table[1]) == {"|", "-", ":"}
    assert lines[6] == ""


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_a_terminal_shows_every_cell_whole_whatever_its_width(width):
    table = results_table(1200, [TRANSLATION, PICTURES])
    shown = printed(table, terminal=True, width=width)
    assert max(map(len, shown.splitlines())) <= width
    for row in table.rows:
        for cell in row:
            assert cell in shown


def test_a_table_too_wide_for_the_terminal_is_shown_in_parts_that_each_name_the_problem():
    table = results_table(1200, [TRANSLATION])
    assert printed(table, terminal=True, width=200).count("translate_here_there") == 1
    assert printed(table, terminal=True, width=70).count("translate_here_there") == 2


def test_the_plan_shows_the_part_of_each_problem():
    rows = [PlanRow("large", 0.75, 3000, 480_000, 6_000_000, 16.3), PlanRow("small", 0.25, 1000, 20_000, 90_000, 50.0)]
    table = plan_table(rows, "uniform")
    assert table.title == "Plan: 4,000 steps, problem_choice=uniform"
    assert cells(table)["large"] == {
        "problem": "large",
        "rate": "0.750",
        "steps": "3,000",
        "examples": "480,000",
        "tokens": "6,000,000",
        "epochs": "16.30",
    }
    assert "start" not in table.markdown()


def test_the_plan_of_an_adaptive_run_says_that_its_rates_will_change():
    assert "Rates are those at the start" in plan_table([PlanRow("a", 1.0, 1, 1, 1, 1.0)], "adaptive").markdown()


def test_results_are_written_as_json_by_an_atomic_write(tmp_path):
    path = write_results(tmp_path, 1200, [TRANSLATION, PICTURES])
    assert os.listdir(path.parent) == [path.name]
    content = json.loads(path.read_text())
    assert content["step"] == 1200
    assert content["problems"]["image_shapes"] == {
        "examples": 500,
        "metrics": PICTURES.metrics,
        "standing": {
            "nats": 1.5,
            "unigram_nats": 2.302,
            "permuted_nats": 1.51,
            "gain_low": -0.02,
            "gain_high": 0.04,
            "learnt": False,
        },
        "classes": True,
        "unigram_accuracy": 0.1,
        "corrupt": [],
    }


def test_results_that_cannot_be_written_are_a_sentence(tmp_path):
    (tmp_path / "eval").write_text("a file")
    with pytest.raises(UserError, match="results-1.json could not be written"):
        write_results(tmp_path, 1, [TRANSLATION])
