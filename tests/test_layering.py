"""Imports flow one way. The tables below are the rule and the test."""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONTRACTS = "errors registry hparam_set problem"
LIBRARY = f"{CONTRACTS} whole_file fingerprint plugins cores rundir data metrics layers modalities models decoding"
MAY_USE = {  # a room of the house, and the rooms that it may import from beside itself
    "__init__": "",
    "errors": "",
    "whole_file": "errors",
    "cores": "",
    "fingerprint": "",
    "hparam_set": "errors",
    "operative_config": "hparam_set",
    "hparam_ranges": "errors hparam_set",
    "search": "errors hparam_ranges",
    "registry": "errors",
    "gin_bindings": "errors hparam_set registry",
    "problem": "errors hparam_set",
    "plugins": CONTRACTS,
    "rundir": f"{CONTRACTS} whole_file fingerprint plugins cores __init__",
    "data": f"{CONTRACTS} whole_file fingerprint",
    "metrics": CONTRACTS,
    "problems": "errors registry problem data metrics",
    "layers": CONTRACTS,
    "modalities": f"{CONTRACTS} layers",
    "models": f"{CONTRACTS} layers modalities",
    "hparams": f"{CONTRACTS} hparam_ranges models",
    "decoding": f"{CONTRACTS} whole_file fingerprint plugins rundir data metrics layers modalities models",
    "train": LIBRARY,
    "testing": f"{LIBRARY} train",
    "opened_run": f"{CONTRACTS} fingerprint rundir data models decoding train",
    "runs": f"{LIBRARY} train operative_config gin_bindings",
    "bin": f"{LIBRARY} train opened_run runs gin_bindings hparam_ranges search",
}
NEUTRAL = (
    "layers",
    "modalities",
    "models",
    "decoding",
    "metrics",
    "train",
    "testing",
)  # keras.ops and Keras layers only
BACKEND_KERNELS = {  # one function per backend, measured
    "t2t_mm/decoding/compiled.py",
    "t2t_mm/layers/depthwise.py",
    "t2t_mm/layers/dispatch.py",
    "t2t_mm/train/cluster_jax.py",
    "t2t_mm/train/cluster_tensorflow.py",
    "t2t_mm/train/optimiser.py",
    "t2t_mm/train/optimisers/adam.py",
    "t2t_mm/train/profiler_jax.py",
    "t2t_mm/train/profiler_tensorflow.py",
    "t2t_mm/train/step_apart.py",
    "t2t_mm/train/step_jax.py",
    "t2t_mm/train/step_side_by_side.py",
    "t2t_mm/train/step_tensorflow.py",
    "t2t_mm/train/traced_once.py",
}
HEAVY = ("tensorflow", "keras", "jax", "torch")
FILES = sorted(
    str(path.relative_to(ROOT))
    for folder in ("t2t_mm", "problems", "hparams", "bin")
    for path in (ROOT / folder).rglob("*.py")  # which does not follow the three links
)


def room(file: str) -> str:
    """The room that `file` stands in: the first name below t2t_mm, or problems, hparams, bin."""
    return file.removeprefix("t2t_mm/").partition("/")[0].removesuffix(".py")


@cache
def imports(file: str) -> tuple[str, ...]:
    """The dotted name of everything that `file` imports, inside functions too."""
    return tuple(_imports(file))


def _imports(file: str) -> Iterator[str]:
    for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} line {node.lineno}: import by the full name"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def packages(file: str) -> set[str]:
    return {name.partition(".")[0] for name in imports(file)}


def rooms(file: str) -> set[str]:
    own = [name.split(".") for name in imports(file) if name.partition(".")[0] == "t2t_mm"]
    return {parts[1] if len(parts) > 1 else "__init__" for parts in own}


def test_the_files_are_found():
    assert {"t2t_mm/errors.py", "bin/options.py", "problems/__init__.py", "hparams/__init__.py"} <= set(FILES)
    assert not [file for file in FILES if file.startswith(("t2t_mm/bin/", "t2t_mm/problems/", "t2t_mm/hparams/"))]


def test_the_rule_itself_has_no_circle():
    order = list(MAY_USE)
    assert all(order.index(other) < order.index(here) for here, others in MAY_USE.items() for other in others.split())


@pytest.mark.parametrize("file", FILES)
def test_imports_flow_one_way(file):
    assert rooms(file) <= {room(file), *MAY_USE[room(file)].split()}


@pytest.mark.parametrize("file", [file for file in FILES if room(file) == "hparams"])
def test_hparam_sets_use_records_only_so_that_naming_one_loads_no_keras(file):
    of_models = [name for name in imports(file) if name.startswith("t2t_mm.models")]
    assert all(".hparams." in name for name in of_models), of_models


@pytest.mark.parametrize("file", [file for file in FILES if room(file) in NEUTRAL and file not in BACKEND_KERNELS])
def test_models_are_neutral_of_the_backend(file):
    assert not packages(file) & {"tensorflow", "tensorflow_datasets", "jax", "torch", "grain"}


@pytest.mark.parametrize("file", [file for file in FILES if room(file) in ("data", "problems", "registry", "problem")])
def test_data_knows_no_keras(file):
    assert "keras" not in packages(file)


@pytest.mark.parametrize("file", [file for file in FILES if file != "t2t_mm/gin_bindings.py"])
def test_gin_stands_at_the_edge(file):
    assert "gin" not in packages(file)


@pytest.mark.parametrize("name", ["t2t_mm.registry", "t2t_mm.problem", "t2t_mm.data", "t2t_mm.bin.options"])
def test_light_rooms_import_neither_tensorflow_nor_keras(command, name):
    assert_light(command("-c", f"import sys, {name}; print(*sys.modules)"))


def test_problems_and_hparam_sets_import_neither_tensorflow_nor_keras(command):
    files = [file for file in FILES if room(file) in ("problems", "hparams")]
    modules = [f"t2t_mm.{file.removesuffix('.py').replace('/', '.')}".removesuffix(".__init__") for file in files]
    done = command("-c", ONE_AFTER_THE_OTHER, *modules)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_on_jax_steps_and_decoding_need_nothing_that_keras_does_not(command, monkeypatch):
    pytest.importorskip("jax")
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    rooms = "t2t_mm.models.multimodel.body, t2t_mm.train.step, t2t_mm.train.step_jax, t2t_mm.decoding.decoder"
    known = "{name.partition('.')[0] for name in sys.modules}"
    done = command("-c", f"import sys, keras; before = {known}; import {rooms}; print(*{known} - before)")
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) - sys.stdlib_module_names == {"t2t_mm"}


def test_on_jax_whole_runs_import_no_tensorflow(command, monkeypatch):
    pytest.importorskip("jax")
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    done = command("-c", "import sys, t2t_mm.bin.decoder, t2t_mm.runs; print('tensorflow' in sys.modules)")
    assert done.stdout == "False\n", done.stdout + done.stderr


ONE_AFTER_THE_OTHER = f"""
import importlib, sys
for module in sys.argv[1:]:
    importlib.import_module(module)
    if heavy := set({HEAVY}) & sys.modules.keys():
        sys.exit(print(module, "brings", *heavy))
"""


def assert_light(done):
    assert done.returncode == 0, done.stderr
    assert not set(HEAVY) & set(done.stdout.split())
