import importlib
import inspect
import pickle

import pytest

from t2t_mm.errors import NameTaken, UnknownName, UserError
from t2t_mm.registry import PROBLEMS, REGISTRIES, Registry, snake_case

BUILT_IN = [(kind, name) for kind, registry in REGISTRIES.items() for name in registry]


@pytest.fixture
def numbers() -> Registry:
    """A registry whose one built-in entry is a class of the standard library."""
    return Registry("number", {"fraction": "fractions:Fraction"})


def test_a_class_is_registered_under_its_name_in_snake_case(numbers):
    @numbers.register
    class RomanNumeral:
        pass

    assert numbers["roman_numeral"] is RomanNumeral
    assert list(numbers) == ["fraction", "roman_numeral"]


def test_a_name_may_be_given(numbers):
    @numbers.register(name="xii")
    class RomanNumeral:
        pass

    assert numbers["xii"] is RomanNumeral and "roman_numeral" not in numbers


def test_a_built_in_entry_is_imported_when_it_is_looked_up(numbers):
    from fractions import Fraction

    assert numbers["fraction"] is Fraction


def test_a_declared_entry_is_imported_when_it_is_looked_up_and_may_register_itself_then(numbers):
    import decimal

    numbers.declare("decimal", "decimal:Decimal")
    assert list(numbers) == ["decimal", "fraction"] and numbers.address("decimal") == "decimal:Decimal"
    assert numbers["decimal"] is numbers.register(decimal.Decimal) is decimal.Decimal
    with pytest.raises(NameTaken, match="decimal:Decimal and here:There"):
        numbers.declare("decimal", "here:There")


def test_a_taken_name_is_refused_and_the_first_owner_stays(numbers):
    numbers.register(int, name="whole")
    with pytest.raises(NameTaken, match="builtins:int and builtins:float"):
        numbers.register(float, name="whole")
    assert numbers["whole"] is int


def test_registering_the_same_object_again_changes_nothing(numbers):
    numbers.register(int)
    numbers.register(int)
    assert list(numbers) == ["fraction", "int"]


@pytest.mark.parametrize("name", ["to-german", "a,b", "a b"])
def test_a_name_with_a_separator_is_refused(numbers, name):
    with pytest.raises(UserError, match="may hold no"):
        numbers.register(int, name=name)


def test_an_unknown_name_is_answered_with_a_guess_and_the_way_to_plugins(numbers):
    with pytest.raises(UnknownName, match="Did you mean 'fraction'.*--t2t_usr_dir"):
        numbers["fractoin"]
    with pytest.raises(UnknownName):
        numbers.address("fractoin")


@pytest.mark.parametrize(
    "written, expected",
    [("TranslateEndeMulti30k", "translate_ende_multi30k"), ("Text", "text"), ("multimodel_tiny", "multimodel_tiny")],
)
def test_snake_case(written, expected):
    assert snake_case(written) == expected


def test_a_summary_is_the_first_line_of_the_docstring_whether_imported_or_not(numbers):
    unread = numbers.summary("fraction")
    assert unread == numbers["fraction"].__doc__.partition("\n")[0]
    assert numbers.summary("fraction") == unread != ""


def test_members_of_a_family_are_found_by_an_attribute_of_its_class_and_have_its_summary():
    numbers = Registry("number", {"one": "fractions:Fraction.from_float"})
    unread = numbers.summary("one")
    from fractions import Fraction

    assert numbers["one"] == Fraction.from_float and unread == Fraction.__doc__.partition("\n")[0]


def test_problems_of_a_family_can_be_sent_to_another_process():
    for name in ("mnist_pair_3_8", "omniglot_greek", "celeba_smiling"):
        assert pickle.loads(pickle.dumps(PROBLEMS[name])) is PROBLEMS[name]


@pytest.mark.parametrize("kind, name", BUILT_IN)
def test_every_name_in_the_tables_is_there_with_a_summary(kind, name):
    registry = REGISTRIES[kind]
    item = registry[name]
    assert f"{item.__module__}:{item.__qualname__}" == registry.address(name)
    assert (inspect.getdoc(item) or "").strip(), f"{kind} {name} has no docstring"
    assert registry.summary(name) == inspect.getdoc(item).partition("\n")[0]


@pytest.mark.parametrize("kind", list(REGISTRIES))
def test_the_tables_list_all_that_their_modules_register(kind):
    registry = REGISTRIES[kind]
    tables = {registry.address(name) for name in registry}
    for module in {address.partition(":")[0] for address in tables}:
        importlib.import_module(module)
    assert {registry.address(name) for name in registry} == tables
