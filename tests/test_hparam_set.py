from dataclasses import FrozenInstanceError, dataclass, fields, replace
from math import inf, nextafter

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
    "changes, sentence",
    [
        ("hiden_size=3", "No hparam is named 'hiden_size'. Did you mean 'hidden_size'?"),
        ("hidden_size=many", "hidden_size takes a value of type int; received 'many'"),
        ("attention=perhaps", "attention takes a value of type bool; received 'perhaps'"),
        ("hidden_size", "each change is name=value"),
    ],
)
def test_a_change_that_cannot_be_is_refused_in_a_sentence(small, changes, sentence):
    with pytest.raises(UserError) as caught:
        small.override(changes)
    assert sentence in str(caught.value)


def test_an_unknown_hparam_lists_the_known_ones(small):
    with pytest.raises(UnknownName, match="batch_size.*hidden_size"):
        small.with_values({"width": 3})


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


def test_every_registered_set_takes_back_its_own_values_as_text():
    changed = []
    for name in HPARAM_SETS:
        chosen = HPARAM_SETS[name]()
        text = ",".join(f"{key}={value}" for key, value in chosen.flat().items() if "," not in str(value))
        changed += [] if chosen.override(text) == chosen else [name]
    assert not changed


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ("dropout=2", "dropout must be from 0 to 0.99; received 2.0"),
        ("batch_size=0", "batch_size must be at least 1; received 0"),
        ("hidden_size=63", "hidden_size must be a multiple of attention_heads; received 63 and 4"),
        ("experts=2", "experts must be 0 or more than experts_per_token; received 2 and 2"),
        ("decoder_experts=1", "decoder_experts must be 0 or more than experts_per_token; received 1 and 2"),
        ("mixing=mud", "mixing is 'steps' or 'blocks'; received 'mud'"),
        ("optimizer=adm", "Did you mean 'adam'"),
        ("accumulate_batches=3,batches_at_once=2", "batches_at_once must divide accumulate_batches; received 2 and 3"),
    ],
)
def test_a_value_that_makes_no_model_is_refused(changes, sentence):
    with pytest.raises(UserError, match=sentence):
        HPARAM_SETS["multimodel_demo"]().override(changes)


def test_changes_that_are_valid_only_in_combination_are_made_at_once():
    changed = HPARAM_SETS["multimodel_demo"]().override("hidden_size=63,attention_heads=3")
    assert (changed.body.hidden_size, changed.body.attention_heads) == (63, 3)


def test_tensor2tensors_schedules_of_problems_are_answered_with_ours(small):
    with pytest.raises(UnknownName, match="problem_choice=scheduled"):
        small.override("multiproblem_mixing_schedule=pretrain")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("learning_rate_schedule=cosin", "Did you mean 'cosine'"),
        ("adam_beta1=1", "adam_beta1 must be from 0 to 0.999999; received 1"),
        ("adam_beta2=1", "adam_beta2 must be"),
        ("adam_epsilon=-1", "adam_epsilon must be from 0 to 1; received -1"),
        ("adam_epsilon=nan", "adam_epsilon must be"),
        ("learning_rate=inf", "learning_rate must be from 0 to 1e.38; received inf"),
    ],
)
def test_a_value_with_which_no_weight_would_stay_a_number_is_refused(small, change, sentence):
    with pytest.raises(UserError, match=sentence):
        small.override(change)


def test_the_type_of_a_value_that_is_no_text_is_checked_too(small):
    assert small.with_values({"learning_rate": 1, "attention": False}).training.learning_rate == 1.0
    with pytest.raises(UserError, match="attention takes a value of type bool; received 1"):
        small.with_values({"attention": 1})


BOUNDS = {  # of every number, the least and the most value that is taken
    DataHparams: {
        **dict.fromkeys(("batch_size", "max_length", "window_stride", "buckets", "audio_channels"), (1, inf)),
        **dict.fromkeys(("image_size", "image_patch"), (1, 4096)),
        **dict.fromkeys(("audio_halvings", "waveform_halvings"), (0, 16)),
        "audio_seconds": (0.01, inf),
    },
    TrainingHparams: {
        **dict.fromkeys(("accumulate_batches", "batches_at_once"), (1, inf)),
        **dict.fromkeys(("clip_grad_norm", "learning_rate_warmup_steps", "weight_decay"), (0, inf)),
        **dict.fromkeys(("label_smoothing", "momentum", "muon_momentum", "ema_decay", "problem_floor"), (0, 1)),
        **dict.fromkeys(("adam_beta1", "adam_beta2", "rmsprop_decay"), (0, 0.999999)),
        "adam_epsilon": (0, 1),
        "rmsprop_epsilon": (1e-30, 1),
        "learning_rate": (0, 1e38),
        "adafactor_memory_exponent": (0, 1),
        "adafactor_clipping_threshold": (1e-6, inf),
    },
}


def test_every_number_is_taken_within_its_bounds_and_refused_beyond():
    wrong = []
    for kind, bounds in BOUNDS.items():
        record = kind()
        for name, (least, most) in bounds.items():
            whole = type(getattr(record, name)) is int
            below = least - 1 if whole else nextafter(least, -inf)
            above = [] if most == inf else [most + 1 if whole else nextafter(most, inf)]
            within = [least] if most == inf else [least, most]
            wrong += [f"{name}={value} is refused" for value in within if refusal(record, name, value)]
            sentence = f"hparam {name} must be "
            wrong += [
                f"{name}={value} is taken" for value in (below, *above) if sentence not in refusal(record, name, value)
            ]
    assert not wrong
    numbers = {field.name for kind in BOUNDS for field in fields(kind) if field.type in (int, float, "int", "float")}
    # The temperature is checked where rates are computed, and only if problem_choice is proportional.
    assert numbers - {name for bounds in BOUNDS.values() for name in bounds} == {"problem_temperature"}


def refusal(record, name, value) -> str:
    """Return the sentence that refuses a value of an hparam, or "" if it is taken."""
    try:
        replace(record, **{name: value})
    except UserError as error:
        return str(error)
    return ""
