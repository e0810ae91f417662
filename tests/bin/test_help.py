"""`--help` and `--registry_help` answer at once: they import neither TensorFlow nor Keras."""

import importlib
import json

import pytest

PROGRAMS = {
    "trainer": "t2t-mm-trainer",
    "decoder": "t2t-mm-decoder",
    "datagen": "t2t-mm-datagen",
    "evaluator": "t2t-mm-eval",
    "avg_checkpoints": "t2t-mm-avg-checkpoints",
    "diff_runs": "t2t-mm-diff-runs",
    "surgery": "t2t-mm-surgery",
}
COMMANDS = list(PROGRAMS)
HEAVY = {
    "tensorflow",
    "keras",
    "jax",
    "torch",
    "numpy",
    "tensorflow_datasets",
    "sentencepiece",
    "grain",
    "array_record",
}
RUN_AND_LIST_MODULES = """
import runpy, sys
sys.argv = [{name!r}, {flag!r}]
try:
    runpy.run_module("t2t_mm.bin.{name}", run_name="__main__")
finally:
    print("MODULES", *sys.modules)
"""


@pytest.mark.parametrize(
    "name, groups",
    [
        ("trainer", ["what to learn:", "where things are:", "how long, how often:", "every command:"]),
        ("decoder", ["what to decode:", "how to decode:", "every command:"]),
        ("datagen", ["what to make:", "data folders:", "every command:"]),
        ("avg_checkpoints", ["what to average:", "where to write:", "every command:"]),
        ("diff_runs", ["what to compare:", "every command:"]),
        ("surgery", ["what to do:", "data folders", "every command:"]),
        ("evaluator", ["what to evaluate:", "how to decode:", "every command:"]),
    ],
)
def test_help_shows_everyday_flags_first(capsys, name, groups):
    with pytest.raises(SystemExit) as raised:
        importlib.import_module(f"t2t_mm.bin.{name}").main(["--help"])
    stdout, stderr = capsys.readouterr()
    assert not raised.value.code and stderr == ""
    assert stdout.startswith(f"usage: {PROGRAMS[name]} ") and "Example: t2t-mm-" in stdout
    places = [stdout.index(group) for group in groups]
    assert places == sorted(places)


@pytest.mark.parametrize("flag", ["--help", "--registry_help"])
@pytest.mark.parametrize("name", COMMANDS)
def test_help_and_registry_help_import_nothing_heavy(command, name, flag):
    done = command("-c", RUN_AND_LIST_MODULES.format(name=name, flag=flag))
    assert done.returncode == 0, done.stderr
    answer, _, modules = done.stdout.partition("MODULES ")
    assert answer and not HEAVY & set(modules.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_lists_all_registries(capsys, name):
    with pytest.raises(SystemExit) as raised:
        importlib.import_module(f"t2t_mm.bin.{name}").main(["--registry_help", "--format=json"])
    assert not raised.value.code
    catalogue = json.loads(capsys.readouterr().out)
    registries = {"problems", "modalities", "models", "hparams_sets", "hparams_ranges", "decoded_metrics", "runs"}
    assert set(catalogue) == registries
    assert all(entry["summary"] for names in catalogue.values() for entry in names.values())


@pytest.mark.parametrize("name", COMMANDS)
def test_an_error_in_a_flag_ends_with_2_and_without_a_traceback(capsys, name):
    with pytest.raises(SystemExit) as raised:
        importlib.import_module(f"t2t_mm.bin.{name}").main(["--registry_hepl"])
    stdout, stderr = capsys.readouterr()
    assert raised.value.code == 2 and stdout == ""
    assert stderr == (
        f"{PROGRAMS[name]}: No flag is named --registry_hepl. Did you mean '--registry_help'? "
        f"See {PROGRAMS[name]} --help.\n"
    )
