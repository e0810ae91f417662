"""The flags of t2t-mm-eval."""

from pathlib import Path

import pytest

from t2t_mm.bin.evaluator import parse_options
from t2t_mm.errors import UserError


def test_defaults_of_the_evaluator_are_those_of_the_decoder():
    chosen = parse_options(["--output_dir=run", "--checkpoint=run/model.ckpt-3"])
    assert (chosen.beam_size, chosen.alpha, chosen.decode_extra_length, chosen.decode_batch_size) == (4, 0.6, 50, 32)
    assert (chosen.split, chosen.eval_examples, chosen.problems, chosen.compare) == ("dev", -1, "", [])
    assert chosen.checkpoint_path == Path("run/model.ckpt-3")


def test_runs_to_compare_follow_their_flag():
    chosen = parse_options(["--compare", "joint", "~/alone", "--split=test", "--data_dir=d"])
    assert chosen.compare == [Path("joint"), Path.home() / "alone"]
    assert (chosen.output_dir, chosen.split, chosen.data_dir) == (None, "test", Path("d"))
    with pytest.raises(UserError, match="--eval_examples=0 evaluates nothing"):
        parse_options(["--output_dir=run", "--eval_examples=0"])
