"""Whether a body has room for its examples."""

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


def test_what_is_too_long_to_train_on_counts_in_the_dev_set_alone(letters):
    with pytest.raises(UserError, match="longest inputs of dev of capitals take 7 positions"):
        check_positions(letters["capitals"], 6, DataHparams(max_length=5))


def test_sines_have_room_for_all(letters):
    check_positions(letters["capitals"], None, HPARAMS)
