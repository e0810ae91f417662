"""Missing corpora: named before anything is written, and downloaded if that is allowed."""

import pytest

from t2t_mm.data.datagen.generate import generate
from t2t_mm.errors import UserError

ROWS = {split: [("the dog sees a cat", "der Hund sieht eine Katze")] * 3 for split in ("train", "dev")}


def run(tmp_path, how=None, **problems):
    report_lines = []
    generate(problems, tmp_path / "data", tmp_path, report=report_lines.append, **(how or {}))
    return report_lines


def test_a_corpus_that_is_missing_stops_the_call_before_anything_is_written(tmp_path, make_problem):
    missing = make_problem(ROWS)

    def splits(tmp_dir):
        raise UserError("looked for cats.txt")

    missing.source.splits = splits
    with pytest.raises(UserError, match="looked for"):
        run(tmp_path, dogs=make_problem(ROWS), cats=missing)
    assert not (tmp_path / "data").exists()


def test_all_that_is_missing_is_named_before_anything_large_is_downloaded(tmp_path, make_problem):
    def lacking(what):
        def splits(tmp_dir):
            raise UserError(f"looked for {what}")

        problem = make_problem(ROWS)
        problem.source.splits, problem.source.present = splits, lambda tmp_dir: False
        return problem

    large = lacking("images")
    large.source.download_bytes = lambda tmp_dir: 40_000_000_000
    large.source.fetch = lambda tmp_dir: pytest.fail("downloaded")
    with pytest.raises(UserError) as refusal:
        run(tmp_path, {"download": True}, large=large, cats=lacking("cats.txt"), dogs=lacking("dogs.txt"))
    assert str(refusal.value) == "cats: looked for cats.txt\ndogs: looked for dogs.txt"


def test_what_two_problems_share_is_downloaded_once(tmp_path, make_problem):
    first, second, fetched = make_problem(ROWS), make_problem(ROWS), []
    for problem in (first, second):
        problem.source.present = lambda tmp_dir: bool(fetched)
        problem.source.download_bytes = lambda tmp_dir: 1_000_000_000
        problem.source.fetch = fetched.append
    report_lines = run(tmp_path, {"download": True}, cats=first, dogs=second)
    assert fetched == [tmp_path]
    assert [line for line in report_lines if "downloading" in line] == [
        f"cats: downloading its corpus to {tmp_path}, 1.00 GB."
    ]


def test_a_corpus_is_fetched_only_when_that_is_allowed(tmp_path, make_problem):
    problem = make_problem(ROWS)
    fetched = []
    problem.source.present = lambda tmp_dir: False
    problem.source.fetch = fetched.append
    generate({"cats": problem}, tmp_path / "a", tmp_path, report=lambda line: None)
    assert fetched == []
    generate({"cats": problem}, tmp_path / "b", tmp_path, download=True, report=lambda line: None)
    assert fetched == [tmp_path]
