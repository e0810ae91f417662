"""Properties of every problem that ships with the package."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from t2t_mm.data.sources.synthetic import SyntheticSource
from t2t_mm.feature import Feature
from t2t_mm.problem import DEV, TRAIN, Problem, Source
from t2t_mm.registry import PROBLEMS

ROOT = Path(__file__).parents[2]
BUILT_IN = [name for name in PROBLEMS if PROBLEMS.address(name).startswith("t2t_mm.problems.")]
SYNTHETIC = [name for name in BUILT_IN if isinstance(PROBLEMS[name].source, SyntheticSource)]


def test_a_problem_is_data():
    offenders = []
    for name in BUILT_IN:
        problem = PROBLEMS[name]
        if not (
            issubclass(problem, Problem)
            and isinstance(problem.source, Source)
            and all(isinstance(feature, Feature) for feature in problem.features().values())
            and re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", problem.command)
            and not any(callable(value) for value in vars(problem).values())  # a problem has no methods
            and problem.__doc__
            and "\n" not in problem.__doc__
        ):
            offenders.append(name)
    assert not offenders and len(BUILT_IN) > 180


@pytest.mark.parametrize("name", SYNTHETIC)
def test_synthetic_problems_state_their_ceiling_and_need_no_file(name, tmp_path):
    problem = PROBLEMS[name]
    assert problem.ceiling
    assert problem.source.splits(tmp_path / "nowhere") == (TRAIN, DEV)
    assert set(next(problem.source.examples(DEV, tmp_path)).values) == set(problem.features())


def test_a_corpus_that_was_not_downloaded_is_not_present(tmp_path):
    assert not [name for name in BUILT_IN if name not in SYNTHETIC and PROBLEMS[name].source.present(tmp_path)]


def test_the_folder_is_not_to_be_imported_as_plain_problems():
    result = subprocess.run([sys.executable, "-c", "import problems"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 1
    assert "Import this folder as t2t_mm.problems, not as problems" in result.stderr


def test_importing_all_problems_imports_neither_tensorflow_nor_keras():
    program = (
        "import sys; from t2t_mm.registry import PROBLEMS; [PROBLEMS[name] for name in PROBLEMS]; "
        "print([name for name in ('tensorflow', 'keras', 'tensorflow_datasets') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
