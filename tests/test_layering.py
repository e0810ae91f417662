"""Imports flow one way. The tables below are the rule and the test."""

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONTRACTS = "errors registry hparam_set feature problem"
FILES_OF_A_RUN = "atomic_file fingerprint plugins cores run_config run_directory"
LIBRARY = f"{CONTRACTS} {FILES_OF_A_RUN} data metrics layers modalities models decoding"
MAY_USE = {  # a room of the house, and the rooms that it may import from beside itself
    "__init__": "",
    "errors": "",
    "atomic_file": "errors",
    "cores": "",
    "fingerprint": "",
    "hparam_set": "errors",
    "hparam_ranges": "errors hparam_set",
    "moved_modules": "",
    "registry": "errors moved_modules",
    "run_config": "errors",
    "gin_bindings": "errors hparam_set registry run_config",
    "feature": "errors hparam_set",
    "problem": "feature",
    "plugins": f"{CONTRACTS} moved_modules",
    "run_directory": f"{CONTRACTS} run_config atomic_file fingerprint plugins cores __init__",
    "operative_config": "hparam_set run_config run_directory",
    "data": f"{CONTRACTS} atomic_file fingerprint",
    "metrics": CONTRACTS,
    "problems": "errors registry feature problem data metrics",
    "layers": CONTRACTS,
    "modalities": f"{CONTRACTS} layers",
    "models": f"{CONTRACTS} layers modalities",
    "hparams": f"{CONTRACTS} hparam_ranges models",
    "decoding": f"{CONTRACTS} {FILES_OF_A_RUN} data metrics layers modalities models",
    "evaluation": LIBRARY,
    "train": f"{LIBRARY} evaluation",
    "run_tools": f"{LIBRARY} hparam_ranges evaluation train",
    "testing": f"{LIBRARY} evaluation train",
    "runs": f"{LIBRARY} evaluation train operative_config gin_bindings",
    "bin": f"{LIBRARY} evaluation train run_tools runs gin_bindings hparam_ranges",
}
WINGS = {  # inside a room: a folder of it, and the folders that it may import from; "" are the files beside them
    "data": {
        "": "",
        "features": "",
        "sources": "features",
        "input": "features",
        "datagen": "features input",
    },
    "train": {
        "optim": "",
        "distributed": "",
        "memory": "",
        "mixture": "",
        "summaries": "",
        "logs": "summaries",
        "step": "optim distributed memory logs",
        "faults": "step",
        "": "optim distributed memory mixture summaries logs step faults",
    },
    "run_tools": {"": "", "surgery": ""},
}
FULLEST = 25  # files in a folder at most, but for the folders that hold one file a corpus
CATALOGUES = ("problems", "t2t_mm/data/sources")
NEUTRAL = (
    "layers",
    "modalities",
    "models",
    "decoding",
    "metrics",
    "evaluation",
    "train",
    "run_tools",
    "testing",
)  # keras.ops and Keras layers only
BACKEND_KERNELS = {  # one function per backend, measured
    "t2t_mm/decoding/compiled.py",
    "t2t_mm/layers/depthwise.py",
    "t2t_mm/layers/dispatch.py",
    "t2t_mm/train/distributed/cluster_jax.py",
    "t2t_mm/train/distributed/cluster_tensorflow.py",
    "t2t_mm/train/optim/optimizer.py",
    "t2t_mm/train/optim/adam.py",
    "t2t_mm/train/logs/profiler_jax.py",
    "t2t_mm/train/logs/profiler_tensorflow.py",
    "t2t_mm/train/step/problem_per_worker.py",
    "t2t_mm/train/step/jax_steps.py",
    "t2t_mm/train/step/parallel_microbatches.py",
    "t2t_mm/train/step/tensorflow_steps.py",
    "t2t_mm/train/step/shared_graphs.py",
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


def module(file: str) -> str:
    """The dotted name of `file`, as others import it."""
    inside = file.removeprefix("t2t_mm/").removesuffix(".py").removesuffix("/__init__")
    return f"t2t_mm.{inside.replace('/', '.')}"


MODULES = {module(file) for file in FILES}


def own_modules(file: str) -> set[str]:
    """The modules of the package that `file` imports."""
    names = [name for name in imports(file) if name.partition(".")[0] == "t2t_mm"]
    return {name if name in MODULES else name.rpartition(".")[0] for name in names} & MODULES


def wing(name: str) -> str:
    """The folder inside its room that the module `name` stands in; "" for a file beside the folders."""
    parts = name.split(".")
    return parts[2] if len(parts) > 3 else ""


def test_the_files_are_found():
    assert {"t2t_mm/errors.py", "bin/common_flags.py", "problems/__init__.py", "hparams/__init__.py"} <= set(FILES)
    assert not [file for file in FILES if file.startswith(("t2t_mm/bin/", "t2t_mm/problems/", "t2t_mm/hparams/"))]


def test_the_rule_itself_has_no_circle():
    order = list(MAY_USE)
    assert all(order.index(other) < order.index(here) for here, others in MAY_USE.items() for other in others.split())


def test_the_rule_for_wings_has_no_circle():
    for house, table in WINGS.items():
        order = list(table)
        upward = [(here, other) for here, others in table.items() for other in others.split()]
        assert all(order.index(other) < order.index(here) for here, other in upward), house


def test_imports_flow_one_way_between_rooms():
    allowed = {name: {name, *others.split()} for name, others in MAY_USE.items()}
    upward = {file: rooms(file) - allowed[room(file)] for file in FILES}
    assert not {file: found for file, found in upward.items() if found}


@pytest.mark.parametrize("house", WINGS)
def test_imports_flow_one_way_between_the_wings_of(house):
    upward = {}
    for file in [file for file in FILES if room(file) == house]:
        here = wing(module(file))
        names = {wing(name) for name in own_modules(file) if name.split(".")[1] == house}
        if found := names - {here, "" if house == "data" else here, *WINGS[house][here].split()}:
            upward[file] = found
    assert not upward


def test_no_two_files_import_each_other_not_even_by_way_of_others():
    waiting = {module(file): own_modules(file) - {module(file)} for file in FILES}
    while ready := {name for name, needs in waiting.items() if not needs & waiting.keys()}:
        waiting = {name: needs for name, needs in waiting.items() if name not in ready}
    assert not waiting, f"circles among {sorted(waiting)}"


def test_no_folder_holds_more_files_than_a_reader_can_survey():
    folders = Counter(str(Path(file).parent) for file in FILES if not file.endswith("__init__.py"))
    assert not {name: count for name, count in folders.items() if count > FULLEST and name not in CATALOGUES}


def test_hparam_sets_use_records_only_so_that_naming_one_loads_no_keras():
    of_models = {file: [name for name in imports(file) if name.startswith("t2t_mm.models")] for file in FILES}
    assert not {
        file: names
        for file, names in of_models.items()
        if room(file) == "hparams" and not all(".hparams." in name for name in names)
    }


def test_models_are_neutral_of_the_backend():
    backends = {"tensorflow", "tensorflow_datasets", "jax", "torch", "grain"}
    files = [file for file in FILES if room(file) in NEUTRAL and file not in BACKEND_KERNELS]
    assert not {file: found for file in files if (found := packages(file) & backends)}


def test_data_knows_no_keras():
    files = [file for file in FILES if room(file) in ("data", "problems", "registry", "feature", "problem")]
    assert not [file for file in files if "keras" in packages(file)]


def test_gin_stands_at_the_edge():
    assert [file for file in FILES if "gin" in packages(file)] == ["t2t_mm/gin_bindings.py"]


@pytest.mark.parametrize(
    "name", ["t2t_mm.registry", "t2t_mm.feature", "t2t_mm.problem", "t2t_mm.data", "t2t_mm.bin.common_flags"]
)
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
    rooms = "t2t_mm.models.multimodel.body, t2t_mm.train.step.steps, t2t_mm.train.step.jax_steps"
    rooms += ", t2t_mm.decoding.decoder"
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
