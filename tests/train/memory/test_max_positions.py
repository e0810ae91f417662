"""Examples must fit into the positions of a body."""

import pytest

from t2t_mm.errors import UserError
from t2t_mm.hparam_set import DataHparams
from t2t_mm.train.memory.max_positions import check_positions

HPARAMS = DataHparams()


def test_examples_that_take_more_positions_than_there_are_are_refused_by_name(letters):
    # Two to six letters: an id each, and the end mark.
    with pytest.raises(
        UserError, match="longest inputs of train of capitals take 7 positions, and the model has 6. Raise"
    ):
        check_positions(letters["capitals"], 6, HPARAMS)
    check_positions(letters["capitals"], 7, HPARAMS)


def test_an_example_that_is_too_long_to_train_on_is_checked_in_the_dev_set_alone(letters):
    with pytest.raises(UserError, match="longest inputs of dev of capitals take 7 positions"):
        check_positions(letters["capitals"], 6, DataHparams(max_length=5))


def test_a_body_without_a_limit_of_positions_takes_all_examples(letters):
    check_positions(letters["capitals"], None, HPARAMS)
