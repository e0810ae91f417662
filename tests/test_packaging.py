"""The installed package: only `t2t_mm`, with the three folders that stand beside it in a checkout, and the commands."""

import ast
import configparser
import email
import importlib.metadata
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import t2t_mm

ROOT = Path(__file__).parents[1]
NAME = f"t2t_mm-{t2t_mm.__version__}"
FOLDERS = ("problems", "hparams", "bin")
LEFT_BEHIND = shutil.ignore_patterns(".git", ".venv", "build", "dist", "*.egg-info", "__pycache__", ".*_cache")
OPTIONAL = {"apache_beam", "jax", "optuna"}  # the extras of the same names, which a user may install


def run(*arguments: str, cwd: Path) -> str:
    done = subprocess.run([sys.executable, *arguments], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory) -> Path:
    """The result of `python -m build` on a copy of the repository: an sdist, and a wheel made from that sdist."""
    checkout = tmp_path_factory.mktemp("packaging") / "checkout"
    shutil.copytree(ROOT, checkout, symlinks=True, ignore=LEFT_BEHIND)
    run("-m", "build", "--no-isolation", "--outdir", "dist", cwd=checkout)
    run("-m", "build", "--no-isolation", "--wheel", "--outdir", "direct", cwd=checkout)
    return checkout / "dist"


@pytest.fixture(scope="module")
def wheel(dist) -> zipfile.ZipFile:
    [path] = dist.glob("*.whl")
    return zipfile.ZipFile(path)


def sources() -> set[str]:
    """Every file of the repository that should be installed, by its name below site-packages."""
    own = {path for path in (ROOT / "t2t_mm").rglob("*") if not set(path.relative_to(ROOT).parts[1:2]) & set(FOLDERS)}
    beside = {path for folder in FOLDERS for path in (ROOT / folder).rglob("*")}
    wanted = {
        path.relative_to(ROOT) for path in own | beside if path.suffix in (".py", ".gin") or path.name == "py.typed"
    }
    return {str(path if path.parts[0] == "t2t_mm" else "t2t_mm" / path) for path in wanted}


def test_only_t2t_mm_is_installed(wheel):
    assert {name.partition("/")[0] for name in wheel.namelist()} == {"t2t_mm", f"{NAME}.dist-info"}


def test_every_module_gin_file_and_the_type_marker_are_installed_and_nothing_else(wheel):
    installed = {name for name in wheel.namelist() if name.startswith("t2t_mm/")}
    assert installed == sources() and "t2t_mm/problems/__init__.py" in installed and "t2t_mm/py.typed" in installed


def test_a_wheel_straight_from_the_checkout_holds_the_same_files(dist, wheel):
    [direct] = (dist.parent / "direct").glob("*.whl")
    assert set(zipfile.ZipFile(direct).namelist()) == set(wheel.namelist())


def test_the_sdist_holds_readme_and_licence(dist):
    [path] = dist.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        assert {f"{NAME}/README.md", f"{NAME}/LICENSE"} <= set(archive.getnames())
    assert "Apache License" in (ROOT / "LICENSE").read_text()


def test_the_commands_lead_to_functions_that_exist(wheel):
    entries = configparser.ConfigParser()
    entries.read_string(wheel.read(f"{NAME}.dist-info/entry_points.txt").decode())
    commands = dict(entries["console_scripts"])
    names = ("trainer", "decoder", "datagen", "eval", "avg-checkpoints", "diff-runs", "surgery")
    assert set(commands) == {f"t2t-mm-{name}" for name in names}
    for target in commands.values():
        module, _, function = target.partition(":")
        tree = ast.parse(wheel.read(f"{module.replace('.', '/')}.py"))
        assert function in [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]


def test_the_installed_package_can_be_imported_and_its_gin_files_read(wheel, tmp_path):
    wheel.extractall(tmp_path)
    listing = "import importlib.resources as r; print(sorted(f.name for f in r.files('t2t_mm.hparams').iterdir()))"
    assert "multimodel.py" in run("-c", f"import t2t_mm.problems.multi30k; {listing}", cwd=tmp_path)


def test_everything_that_is_imported_is_required(wheel):
    metadata = email.message_from_bytes(wheel.read(f"{NAME}.dist-info/METADATA"))
    assert metadata["Requires-Python"] == ">=3.11"
    lines = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    required = {re.split(r"[^A-Za-z0-9_.-]", line)[0] for line in lines}
    imported = {top for file in wheel.namelist() if file.endswith(".py") for top in third_party(wheel.read(file))}
    providers = importlib.metadata.packages_distributions()
    missing = {top for top in imported - OPTIONAL if not set(map(plain, providers[top])) & set(map(plain, required))}
    assert not missing and "keras" in imported


def third_party(source: bytes) -> set[str]:
    """The top names of what `source` imports from neither the standard library nor this package."""
    nodes = list(ast.walk(ast.parse(source)))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"t2t_mm"}


def plain(distribution: str) -> str:
    """One spelling of a distribution's name: `array_record` and `array-record` are the same."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def test_a_checkout_has_a_link_for_each_folder():
    links = {folder: ROOT / "t2t_mm" / folder for folder in FOLDERS}
    assert not [one for one, link in links.items() if not link.is_symlink() or link.readlink() != Path("..") / one]


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_refuses_to_be_imported_under_a_second_name(folder):
    done = subprocess.run([sys.executable, "-c", f"import {folder}"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and f"mport this folder as t2t_mm.{folder}, not as {folder}" in done.stderr
