import inspect
import json
import pickle
from pathlib import Path

import pytest

from t2t_mm import registry
from t2t_mm.errors import NameTaken, UnknownName, UserError
from t2t_mm.registry import PROBLEMS, REGISTRIES, Registry, snake_case


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
    numbers.register(int, name="integer")
    with pytest.raises(NameTaken, match="builtins:int and builtins:float"):
        numbers.register(float, name="integer")
    assert numbers["integer"] is int


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


def test_every_built_in_name_leads_to_an_object_with_a_docstring_whose_first_line_is_its_summary():
    offenders = []
    for kind, registered in REGISTRIES.items():
        for name in registered:
            item = registered[name]
            doc = inspect.getdoc(item) or ""
            same_place = f"{item.__module__}:{item.__qualname__}" == registered.address(name)
            if not (doc.strip() and same_place and registered.summary(name) == doc.partition("\n")[0]):
                offenders.append((kind, name))
    assert not offenders


def test_a_text_attribute_is_read_from_the_source_or_from_what_is_imported(numbers):
    families = Registry("problem", {"north": "t2t_mm.problems.builtin_translation:TranslateNorthSouth"})
    unread = families.text_attribute("north", "ceiling")
    assert unread == families["north"].ceiling == families.text_attribute("north", "ceiling") != ""
    assert numbers.text_attribute("fraction", "ceiling") == ""


def test_catalogues_list_exactly_what_the_modules_of_a_fresh_process_register(command):
    done = command("-c", REGISTERED)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []


REGISTERED = """
import importlib, json, pkgutil
import t2t_mm.hparams, t2t_mm.problems
from t2t_mm.registry import REGISTRIES

tables = {kind: {registry.address(name) for name in registry} for kind, registry in REGISTRIES.items()}
modules = {address.partition(":")[0] for table in tables.values() for address in table}
for package in (t2t_mm.hparams, t2t_mm.problems):
    modules |= {f"{package.__name__}.{module.name}" for module in pkgutil.iter_modules(package.__path__)}
for module in sorted(modules):
    importlib.import_module(module)
missing = [
    registry.address(name)
    for kind, registry in REGISTRIES.items()
    for name in registry
    if registry.address(name) not in tables[kind]
]
print(json.dumps(missing))
"""


def test_a_catalogue_is_read_at_first_use_and_loads_no_keras(command):
    lines = "import sys; from t2t_mm.registry import PROBLEMS, HPARAM_SETS\n"
    lines += "print(*[name for name in sys.modules if name.startswith(('t2t_mm.problems', 't2t_mm.hparams'))])\n"
    lines += "assert 'multimodel_tiny' in HPARAM_SETS and 'parsing_wsj' in PROBLEMS\n"
    lines += "print(*sorted(name for name in sys.modules if name.startswith(('t2t_mm.problems', 't2t_mm.hparams'))))\n"
    lines += "print({'keras', 'tensorflow', 'numpy'} & set(sys.modules))"
    before, after, heavy = command("-c", lines).stdout.splitlines()
    assert before == "" and heavy == "set()"
    assert after == "t2t_mm.hparams t2t_mm.hparams.catalogue t2t_mm.problems t2t_mm.problems.catalogue"


def test_the_registry_itself_names_no_problem():
    source = Path(registry.__file__).read_text(encoding="utf-8")
    assert not [name for name in PROBLEMS if name in source]
