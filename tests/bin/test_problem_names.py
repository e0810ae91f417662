import pytest

from t2t_mm.bin.problem_names import RUNS, problem_names
from t2t_mm.data.sources.synthetic import SyntheticSource
from t2t_mm.errors import UnknownName
from t2t_mm.registry import PROBLEMS


@pytest.mark.parametrize(
    "flag, expected",
    [
        ("image_cifar10-parsing_wsj", ("image_cifar10", "parsing_wsj")),
        ("parsing_wsj,image_cifar10", ("parsing_wsj", "image_cifar10")),
        ("image_shapes, image_shapes", ("image_shapes",)),
        ("builtin", RUNS["builtin"]),
        ("image_cifar10-builtin", ("image_cifar10", *RUNS["builtin"])),
        ("translate_en*_multi30k", ("translate_ende_multi30k", "translate_enfr_multi30k")),
        ("", ()),
    ],
)
def test_names_of_problems(flag, expected):
    assert problem_names(flag) == expected


@pytest.mark.parametrize("name, guess", [("image_cifar", "image_cifar10"), ("bultin", "builtin"), ("nothing_*", "")])
def test_an_unknown_problem_is_answered_with_a_guess(name, guess):
    with pytest.raises(UnknownName) as caught:
        problem_names(f"parsing_wsj,{name}")
    assert f"Did you mean '{guess}'?" in str(caught.value) if guess else "Known: builtin" in str(caught.value)


def test_the_problems_of_every_named_run_exist_and_the_builtin_ones_need_no_corpus():
    assert all(name in PROBLEMS for names in RUNS.values() for name in names)
    assert all(isinstance(PROBLEMS[name].source, SyntheticSource) for name in RUNS["builtin"])
    assert len(RUNS["paper"]) == len(set(RUNS["paper"])) == 8
