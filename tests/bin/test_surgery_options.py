"""The flags of t2t-mm-surgery, and errors in them."""

from pathlib import Path

import pytest

from t2t_mm.bin.surgery import parse_options
from t2t_mm.errors import UnknownName, UserError

TO = ["--from=old", "--output_dir=new"]


def test_the_operation_stands_first_and_a_run_and_problems_are_named():
    chosen = parse_options(["extract", *TO, "--problem=parsing_wsj", "--data_dir=data"])
    assert (chosen.operation, chosen.source, chosen.output_dir) == ("extract", Path("old"), Path("new"))
    assert chosen.problems == ("parsing_wsj",) and chosen.hparams == "" and not chosen.keep_experts
    assert (chosen.experts_below, chosen.count_on, chosen.count_batches) == (0.0, "train", 200)
    assert (chosen.eval_examples, chosen.beam_size, chosen.checkpoint_path) == (-1, 4, None)


def test_dropping_needs_no_data(capsys):
    assert parse_options(["drop", *TO, "--problems=parsing_wsj,image_cifar10"]).data_dir is None
    assert capsys.readouterr().err == ""
    parse_options(["add", *TO, "--problems=parsing_wsj"])
    assert "t2t-mm-surgery: --data_dir=" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (TO, "The operation is missing: t2t-mm-surgery add or drop or extract"),
        (
            ["drop", "--output_dir=new", "--problems=parsing_wsj"],
            "--from is missing: give the directory of a training run",
        ),
        (["drop", "--from=old", "--problems=parsing_wsj"], "--output_dir is missing: give a directory for the new run"),
        (["drop", *TO], "--problems is missing: name what to drop"),
        (
            ["extract", *TO, "--problems=parsing_wsj,image_cifar10"],
            "extract keeps a single problem; received parsing_wsj, im",
        ),
        (
            ["drop", *TO, "--problems=parsing_wsj", "--experts_below=0.1"],
            "--experts_below says which experts to remove",
        ),
        (
            ["extract", *TO, "--problems=parsing_wsj", "--keep_experts", "--count_on=dev"],
            "--count_on says which experts to remove: it is for extract without --keep_experts",
        ),
        (["extract", *TO, "--problems=parsing_wsj", "--experts_below=2"], "is a share from 0 to 1; received 2"),
    ],
)
def test_slips_are_sentences(argv, sentence):
    with pytest.raises(UserError, match=sentence):
        parse_options(argv)


def test_a_problem_that_does_not_exist_is_named_with_the_nearest():
    with pytest.raises(UnknownName, match="No problem is named 'parsing_wjs'. Did you mean 'parsing_wsj'"):
        parse_options(["add", *TO, "--problems=parsing_wjs"])


def test_an_operation_that_does_not_exist_is_a_slip_in_a_flag(capsys):
    with pytest.raises(SystemExit) as caught:
        parse_options(["cut", *TO])
    assert caught.value.code == 2 and "add, drop, extract" in capsys.readouterr().err.replace("'", "")
