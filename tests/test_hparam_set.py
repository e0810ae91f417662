from dataclasses import FrozenInstanceError, dataclass

import pytest

from t2t_mm.errors import UnknownName, UserError
from t2t_mm.hparam_set import DataHparams, HparamSet, TrainingHparams
from t2t_mm.registry import HPARAM_SETS


@dataclass(frozen=True, kw_only=True)
class Body:
    hidden_size: int = 8
    attention: bool = True


@pytest.fixture
def small() -> HparamSet:
    return HparamSet("some_model", Body(), TrainingHparams(), DataHparams())


def test_changes_are_parsed_by_the_type_of_their_field_and_land_in_their_record(small):
    changed = small.override("hidden_size=16,attention=false,learning_rate=1e-2,batch_size=99,problem_choice=adaptive")
    assert changed.body == Body(hidden_size=16, attention=False)
    assert changed.training == TrainingHparams(learning_rate=0.01, problem_choice="adaptive")
    assert changed.data == DataHparams(batch_size=99)
    assert small.body == Body(), "the set itself must not change"


def test_no_changes_give_an_equal_set(small):
    assert small.override("") == small


@pytest.mark.parametrize(
    "changes, said",
    [
        ("hiden_size=3", "No hparam is named 'hiden_size'. Did you mean 'hidden_size'?"),
        ("hidden_size=many", "hidden_size takes a value of type int; received 'many'"),
        ("attention=perhaps", "attention takes a value of type bool; received 'perhaps'"),
        ("hidden_size", "each change is name=value"),
    ],
)
def test_a_change_that_cannot_be_is_refused_in_a_sentence(small, changes, said):
    with pytest.raises(UserError) as caught:
        small.override(changes)
    assert said in str(caught.value)


def test_an_unknown_hparam_lists_the_known_ones(small):
    with pytest.raises(UnknownName, match="batch_size.*hidden_size"):
        small.with_value("width", 3)


def test_flat_holds_every_hparam_once(small):
    flat = small.flat()
    assert flat["hidden_size"] == 8 and flat["label_smoothing"] == 0.1 and flat["batch_size"] == 2048
    assert len(flat) == len(vars(small.body)) + len(vars(small.training)) + len(vars(small.data))


def test_a_name_in_two_records_is_refused():
    @dataclass(frozen=True)
    class Clash:
        batch_size: int = 1

    with pytest.raises(ValueError, match="'batch_size' stands in both body and data"):
        HparamSet("some_model", Clash(), TrainingHparams(), DataHparams())


def test_hparams_are_frozen(small):
    with pytest.raises(FrozenInstanceError):
        small.training.learning_rate = 2.0


@pytest.mark.parametrize("name", list(HPARAM_SETS))
def test_every_registered_set_takes_back_its_own_values_as_text(name):
    chosen = HPARAM_SETS[name]()
    text = ",".join(f"{key}={value}" for key, value in chosen.flat().items() if "," not in str(value))
    assert chosen.override(text) == chosen
