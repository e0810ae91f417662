import pytest

from t2t_mm.errors import UnknownName, UserError
from t2t_mm.hparam_ranges import Choice, Floats, Ints, changes, check_ranges
from t2t_mm.registry import HPARAM_RANGES, HPARAM_SETS

OF_SETS = {
    "training_range": list(HPARAM_SETS),
    "multimodel_tiny_range": ["multimodel_tiny", "multimodel_demo"],
    "multimodel_base_range": ["multimodel_base"],
    "transformer_base_range": ["transformer_base", "transformer_big", "transformer_tiny"],
}


def test_registered_ranges_fit_the_sets_that_they_are_for():
    for name in HPARAM_RANGES:
        for hparams_set in OF_SETS[name]:
            check_ranges(HPARAM_RANGES[name](), HPARAM_SETS[hparams_set]())


def test_values_are_written_as_changes_of_hparams():
    values = {"learning_rate": 0.1, "experts": 8, "attention": False, "optimizer": "adam_w", "weight_decay": 1e-05}
    text = changes(values)
    assert text == "learning_rate=0.1,experts=8,attention=False,optimizer=adam_w,weight_decay=1e-05"
    assert HPARAM_SETS["multimodel_demo"]().override(text).flat().items() >= values.items()


@pytest.mark.parametrize(
    ("ranges", "sentence"),
    [
        ({"learning_rat": Floats(0.1, 1.0)}, "Did you mean 'learning_rate'"),
        ({"experts": Floats(0.5, 8.0)}, "experts takes a value of type int; received '0.5'"),
        ({"dropout": Floats(0.0, 1.5)}, "dropout must be from 0 to 0.99; received 1.5"),
        ({"optimizer": Choice("adam", "sgd")}, "No optimizer is named 'sgd'"),
        ({"optimizer": Choice("adam,sgd")}, "cannot take text with a comma"),
    ],
)
def test_ranges_that_a_set_does_not_take_are_refused(ranges, sentence):
    with pytest.raises((UserError, UnknownName), match=sentence):
        check_ranges(ranges, HPARAM_SETS["multimodel_demo"]())


@pytest.mark.parametrize("make", [lambda: Floats(2, 1), lambda: Ints(3, 3), lambda: Floats(0, 1, log=True), Choice])
def test_an_empty_range_is_the_programmers_mistake(make):
    with pytest.raises(ValueError, match="range needs least < most|needs at least one value"):
        make()
