"""Plugins that were written for an earlier version of the package: they work, or a sentence gives the new names.

tests/golden/plugin_c705a37 holds the files of tests/plugin at commit c705a37, with .txt behind their names.
"""

import importlib.util
import re
import sys
from pathlib import Path

import pytest

from t2t_mm import plugins
from t2t_mm.errors import UserError
from t2t_mm.moved_modules import explain, is_there, moved_modules, moved_names, old_imports
from t2t_mm.registry import HPARAM_SETS, MODALITIES, MODELS, PROBLEMS

ROOT = Path(__file__).parents[1]
OLD_PLUGIN = ROOT / "tests" / "golden" / "plugin_c705a37"


@pytest.fixture(autouse=True)
def forget(forgetful_registries, monkeypatch, tmp_path):
    """Unload the plugins of a test after it."""
    monkeypatch.setattr(plugins, "_FOLDERS", {})
    yield
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def old_plugin(tmp_path):
    """The plugin of before in a folder of its own."""
    folder = tmp_path / "old_plugin"
    folder.mkdir()
    for file in OLD_PLUGIN.iterdir():
        (folder / file.name.removesuffix(".txt")).write_text(file.read_text())
    return folder


def test_a_plugin_of_before_is_told_the_new_name_of_each_import(old_plugin):
    with pytest.raises(UserError) as caught:
        plugins.load([old_plugin])
    sentence = str(caught.value)
    assert sentence.startswith(
        f"--t2t_usr_dir={old_plugin} failed to import: it was written for an earlier version: {old_plugin}/"
    )
    assert (
        f"{old_plugin}/problem.py:8 imports t2t_mm.data.sources.made.Made, which is now "
        f"t2t_mm.data.sources.synthetic.SyntheticSource; "
        f"{old_plugin}/problem.py:9 imports t2t_mm.data.text, which is now t2t_mm.data.features.text"
    ) in sentence
    assert sentence.endswith(". CHANGELOG.md lists all names that changed.")


def test_a_plugin_of_before_works_with_the_names_that_it_is_told(old_plugin):
    problem = old_plugin / "problem.py"
    text = problem.read_text().replace("t2t_mm.data.text", "t2t_mm.data.features.text")
    text = text.replace("t2t_mm.data.sources.made", "t2t_mm.data.sources.synthetic")
    problem.write_text(re.sub(r"\bMade\b", "SyntheticSource", text))
    plugins.load([old_plugin])
    assert PROBLEMS["say_readings"].command == "to-readings"
    assert HPARAM_SETS["gauge_tiny"]().body.hidden_size == HPARAM_SETS["running_mean_tiny"]().body.hidden_size == 16
    assert MODELS["running_mean"].__name__ == "RunningMean"
    try:
        assert MODALITIES["series"].__name__ == "Series"
    except UserError as error:  # of a version without Modality
        assert f"{old_plugin}/modality.py:9 imports t2t_mm.modalities.base.Modality, which is now" in str(error)


def test_a_module_of_a_plugin_that_is_imported_later_gets_the_sentence_too(tmp_path):
    folder = tmp_path / "late_plugin"
    folder.mkdir()
    folder.joinpath("__init__.py").write_text(
        "from t2t_mm.registry import MODELS\nMODELS.declare('mine', f'{__name__}.body:Mine')\n"
    )
    folder.joinpath("body.py").write_text("import t2t_mm.layers.part\n")
    plugins.load([folder])
    with pytest.raises(UserError) as caught:
        MODELS["mine"]
    assert str(caught.value) == (
        f"The model 'mine' failed to import: it was written for an earlier version: {folder}/body.py:1 imports "
        f"t2t_mm.layers.part, which is now t2t_mm.layers.layer. CHANGELOG.md lists all names that changed."
    )


def test_another_import_error_keeps_its_own_words(tmp_path):
    file = tmp_path / "plugin.py"
    file.write_text("import t2t_mm.data.text\n")
    assert explain(ModuleNotFoundError("no numpy", name="numpy"), [file]) is None
    assert explain(ValueError("no"), [file]) is None
    file.write_text("import t2t_mm.data.never\n")
    assert explain(ModuleNotFoundError("no", name="t2t_mm.data.never"), [file]) is None


def test_every_form_of_an_import_is_recognised_and_present_names_are_left(tmp_path):
    file = tmp_path / "plugin.py"
    file.write_text(
        "import numpy, t2t_mm.data.text as text\n"
        "from t2t_mm.data import label, vocabulary\n"
        "def later():\n"
        "    from t2t_mm.data.ready import ReadyProblem, open_problem\n"
        "from t2t_mm.train.step import steps\n"
        "from t2t_mm.train.step import Stepped\n"
        "from . import own\n"
    )
    assert old_imports(file) == [
        (1, "t2t_mm.data.text", "t2t_mm.data.features.text"),
        (2, "t2t_mm.data.label", "t2t_mm.data.features.label"),
        (4, "t2t_mm.data.ready", "t2t_mm.data.input.generated_problem"),
        (4, "t2t_mm.data.ready.ReadyProblem", "t2t_mm.data.input.generated_problem.GeneratedProblem"),
        (6, "t2t_mm.train.step.Stepped", "t2t_mm.train.step.steps.StepResult"),
    ]
    file.write_text("def broken(:\n")
    assert old_imports(file) == [] == old_imports(tmp_path / "missing.py")


def test_every_name_that_is_gone_has_a_new_one_that_exists():
    stale = [f"{old}: {new}" for old, new in moved_modules().items() if not is_there(old) and not exists(new)]
    for old, new in moved_names().items():
        module, _, name = old.rpartition(".")
        now, new_name = moved_modules().get(module, module), new.rpartition(".")[2]
        unchanged = any(is_there(place) for place in (old, f"{now}.{name}", f"{module}.{new_name}"))
        if not unchanged and not all(is_there(place) for place in new.split(" or ") if place):
            stale.append(f"{old}: {new}")
    assert not stale


def test_the_changelog_lists_every_name_that_changed():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    rows = [f"| `{old}` | {f'`{new}`' if new else 'gone'} |" for old, new in (moved_modules() | moved_names()).items()]
    missing = [row for row in rows if row not in text]
    assert not missing, "\n".join(missing)


def exists(module: str) -> bool:
    """Return True if `module` can be found."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
