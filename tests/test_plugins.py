"""Plugins as folders and as installed packages."""

import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from t2t_mm import plugins
from t2t_mm.errors import UserError
from t2t_mm.plugins import Plugin
from t2t_mm.registry import HPARAM_SETS

REGISTERS = '''
from t2t_mm.registry import HPARAM_SETS

@HPARAM_SETS.register
def {name}():
    """A set of someone else's."""
'''


@pytest.fixture(autouse=True)
def forget(forgetful_registries, monkeypatch, tmp_path):
    """Plugins are loaded once in a process; here each test is a process of its own."""
    monkeypatch.setattr(plugins, "_FOLDERS", {})
    yield
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


def folder(parent: Path, name: str, source: str, **others: str) -> Path:
    """Make a package folder below `parent`."""
    made = parent / name
    made.mkdir(parents=True)
    (made / "__init__.py").write_text(source)
    for module, text in others.items():
        (made / f"{module}.py").write_text(text)
    return made


def install(site: Path, distribution: str, value: str, source: str) -> None:
    """Put a package into `site` as an installer does: the module, and the metadata with its entry point."""
    folder(site, value.partition(":")[0], source)
    metadata = site / f"{distribution}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[t2t_mm.plugins]\nshop = {value}\n")


def test_a_folder_registers_by_being_imported_under_its_name(tmp_path):
    mine = folder(tmp_path, "my_sets", "from . import sets\n", sets=REGISTERS.format(name="my_set"))
    assert plugins.load([mine]) == [Plugin("my_sets", str(mine), "my_sets")]
    assert HPARAM_SETS.address("my_set") == "my_sets.sets:my_set"
    assert sys.modules["my_sets"].__file__ == str(mine / "__init__.py")


def test_a_folder_may_be_named_from_home_or_here_and_is_recorded_as_an_absolute_path(tmp_path, monkeypatch):
    mine = folder(tmp_path, "my_sets", "")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert plugins.load(["my_sets/", "~/my_sets"]) == [Plugin("my_sets", str(mine), "my_sets")]


def test_loading_twice_is_harmless(tmp_path):
    mine = folder(tmp_path, "my_sets", REGISTERS.format(name="my_set"))
    assert plugins.load([mine]) == plugins.load([mine])


def test_an_installed_plugin_is_found_by_its_entry_point(tmp_path, monkeypatch):
    install(tmp_path / "site", "set-shop", "set_shop", REGISTERS.format(name="shop_set"))
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert plugins.load() == [Plugin("shop", "set-shop", "set_shop")]
    assert HPARAM_SETS.address("shop_set") == "set_shop:shop_set"


@pytest.mark.parametrize(
    "source, reason",
    [
        ("import numpy_of_old", "ModuleNotFoundError: No module named 'numpy_of_old' (MINE/__init__.py:1)"),
        ("from . import deep", "ZeroDivisionError: division by zero (MINE/deep.py:2)"),
        ("x = (", "SyntaxError: '(' was never closed (MINE/__init__.py:1)"),
        ("import json\njson.loads('{')", "(MINE/__init__.py:2)"),
        ("raise SystemExit('no')", "SystemExit: no (MINE/__init__.py:1)"),
        (
            REGISTERS.format(name="multimodel_tiny"),
            "NameTaken: Two hparams_sets are named 'multimodel_tiny': "
            "t2t_mm.hparams.multimodel:multimodel_tiny and my_sets:multimodel_tiny. "
            "Give one of them another name with register(..., name=...) (MINE/__init__.py:4)",
        ),
    ],
)
def test_a_folder_that_fails_to_import_stops_with_path_reason_and_line(tmp_path, source, reason):
    mine = folder(tmp_path, "my_sets", source, deep="\n1 / 0")
    with pytest.raises(UserError) as caught:
        plugins.load([mine])
    message = str(caught.value)
    assert message.startswith(f"--t2t_usr_dir={mine} failed to import: ")
    assert reason.replace("MINE", str(mine)) in message
    assert "my_sets" not in sys.modules and "my_sets.deep" not in sys.modules


def test_an_installed_plugin_that_fails_to_import_stops_with_its_package_and_line(tmp_path, monkeypatch):
    install(tmp_path / "site", "set-shop", "set_shop", "\n\nimport set_shop.missing")
    monkeypatch.syspath_prepend(tmp_path / "site")
    with pytest.raises(UserError) as caught:
        plugins.load()
    assert str(caught.value) == (
        "The plugin 'shop' (set_shop) of the package 'set-shop' failed to import: "
        "ModuleNotFoundError: No module named 'set_shop.missing' "
        f"({tmp_path}/site/set_shop/__init__.py:3). Fix or uninstall set-shop."
    )


def test_an_entry_point_without_its_module_stops(tmp_path, monkeypatch):
    install(tmp_path / "site", "set-shop", "set_shop", "")
    (tmp_path / "site" / "set_shop" / "__init__.py").unlink()
    (tmp_path / "site" / "set_shop").rmdir()
    monkeypatch.syspath_prepend(tmp_path / "site")
    with pytest.raises(UserError, match="'set-shop' failed to import: ModuleNotFoundError: No module named 'set_shop'"):
        plugins.load()


def test_a_folder_that_is_no_package_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    folder(tmp_path, "my.sets", "")
    folder(tmp_path, "json", "")
    for name, sentence in [
        ("missing", "missing: there is no such folder."),
        ("empty", "empty is no package: it has no __init__.py. Add one"),
        ("my.sets", "which must not contain a dot. Rename it."),
        ("json", "a module 'json' is loaded already from"),
    ]:
        with pytest.raises(UserError, match="--t2t_usr_dir=") as caught:
            plugins.load([tmp_path / name])
        assert sentence in str(caught.value)


def test_two_folders_of_one_name_are_refused(tmp_path):
    first, second = folder(tmp_path / "a", "mine", ""), folder(tmp_path / "b", "mine", "")
    with pytest.raises(UserError, match=f"--t2t_usr_dir={second}.*loaded already from {first}"):
        plugins.load([first, second])


def test_a_plugin_that_a_run_recorded_is_loaded_again(tmp_path):
    mine = folder(tmp_path, "my_sets", REGISTERS.format(name="my_set"))
    recorded = [Plugin(**asdict(Plugin("my_sets", str(mine), "my_sets")))]
    assert plugins.load(recorded=recorded) == recorded
    assert "my_set" in HPARAM_SETS


def test_a_recorded_folder_that_moved_is_asked_for_and_taken_from_its_new_place(tmp_path):
    recorded = [Plugin("mine", str(tmp_path / "old" / "mine"), "mine")]
    with pytest.raises(
        UserError, match=r"old/mine, which is no longer there. Pass --t2t_usr_dir=<the folder where mine is now>"
    ):
        plugins.load(recorded=recorded)
    moved = folder(tmp_path / "new", "mine", "")
    assert plugins.load([moved], recorded) == [Plugin("mine", str(moved), "mine")]
    assert plugins.load(recorded=recorded) == [Plugin("mine", str(moved), "mine")], "it is loaded already"


def test_a_recorded_package_that_is_not_installed_is_named():
    with pytest.raises(UserError, match="uses the plugin 'shop' of the package 'set-shop', which is not installed"):
        plugins.load(recorded=[Plugin("shop", "set-shop", "set_shop")])


def test_a_run_records_the_folders_and_those_packages_that_it_uses():
    mine = Plugin("mine", "/somewhere/mine", "mine")
    shop, other = Plugin("shop", "set-shop", "set_shop"), Plugin("other", "other", "other")
    assert plugins.used([shop, other, mine], ["set_shop.sets:big", "t2t_mm.models:x"]) == (shop, mine)
