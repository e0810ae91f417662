"""A run directory that older code made: the present commands continue it, decode with it, evaluate it and change it.

tests/golden/make_run.py made it, and says how. The steps that continue it are compared bit for bit where the machine is
like the one that the fixture was made on: the same TensorFlow, Keras and NumPy, the same number of threads, and a CPU
with the same features. Elsewhere another kernel may round otherwise, and norms and losses are compared to 1e-4.
"""

import importlib.util
import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

import t2t_mm
from t2t_mm.bin import avg_checkpoints, diff_runs, surgery
from t2t_mm.run_tools.trained_run import open_run
from t2t_mm.train import checkpoint

GOLDEN = Path(__file__).parent / "golden"
OLD = GOLDEN / "run_c705a37"
NOTES = json.loads(GOLDEN.joinpath("run_c705a37.json").read_text(encoding="utf-8"))

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow made the run")


@pytest.fixture(scope="module")
def make_run():
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("make_run", GOLDEN / "make_run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def old_run(tmp_path):
    """A copy of the old run, to change."""
    return shutil.copytree(OLD, tmp_path / "run")


@pytest.fixture(scope="module")
def continued(make_run, tmp_path_factory):
    """A folder with the old run, continued by the present trainer on data that it generated itself."""
    folder = tmp_path_factory.mktemp("continued")
    shutil.copytree(OLD, folder / "run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(t2t_mm.__file__).parents[1]))
        make_run.continue_run(folder)
        yield folder


def test_an_old_run_opens_with_its_weights_and_its_settings(old_run):
    opened = open_run(old_run)
    tensors, _ = checkpoint.load(OLD / "model.ckpt-4.safetensors")
    weights = opened.decoder.net.tensors()
    assert all(np.array_equal(weights[name], tensors[name]) for name in weights)
    assert opened.config.run_config.hparams_set == "multimodel_tiny" and opened.config.hparams.body.dropout == 0.1
    assert (
        list(opened.config.problems) == ["image_shapes", "parsing_grammar"]
        and opened.config.run_config.train_steps == 4
    )


def test_checkpoints_of_an_old_run_are_averaged(old_run, capsys):
    tensors, state = checkpoint.load(old_run / "model.ckpt-4.safetensors")
    weights = checkpoint.weights_of(tensors)
    checkpoint.save(old_run, 6, tensors | {name: value + 2 for name, value in weights.items()}, state, keep=0)
    code = avg_checkpoints.main([f"--output_dir={old_run}", f"--output_path={old_run / 'mean'}"])
    assert code == 0, capsys.readouterr()
    mean, _ = checkpoint.load(old_run / "mean.safetensors")
    for name, value in weights.items():
        np.testing.assert_allclose(mean[name], value + 1, atol=1e-6, err_msg=name)


def test_an_old_run_is_compared_with_another(old_run, capsys):
    assert diff_runs.main([str(OLD), str(old_run)]) == 0
    assert "Settings are equal." in capsys.readouterr().out
    tensors, state = checkpoint.load(old_run / "model.ckpt-4.safetensors")
    name = "net/text_builtin/score/rows"
    checkpoint.save(old_run, 4, tensors | {name: tensors[name] + 1}, state, keep=0)
    assert diff_runs.main([str(OLD), str(old_run)]) == 3
    assert name in capsys.readouterr().out


def test_surgery_takes_a_problem_from_an_old_run(old_run, tmp_path, capsys):
    new = tmp_path / "new"
    code = surgery.main(["drop", f"--from={old_run}", "--problems=image_shapes", f"--output_dir={new}"])
    assert code == 0, capsys.readouterr()
    assert list(open_run(new).config.problems) == ["parsing_grammar"]


@pytest.mark.slow
def test_data_made_anew_is_what_an_old_run_recorded(continued):
    recorded = json.loads((OLD / "config.json").read_text())
    present = json.loads((continued / "run" / "config.json").read_text())
    assert present["records"] == recorded["records"] and present["files"] == recorded["files"]


@pytest.mark.slow
def test_an_old_run_continues_with_the_numbers_of_the_old_code(make_run, continued):
    present = make_run.continued(continued)
    assert present["state"] == NOTES["state"]
    assert present["continued"].keys() == NOTES["continued"].keys()
    assert [step for step, _ in present["losses"]] == [step for step, _ in NOTES["losses"]]
    if make_run.machine() == NOTES["machine"]:
        assert present["continued"] == NOTES["continued"]
        assert present["losses"] == NOTES["losses"]
    for name, (_, norm) in NOTES["continued"].items():
        assert present["continued"][name][1] == pytest.approx(norm, rel=1e-4, abs=1e-4), name
    for (_, losses), (_, recorded) in zip(present["losses"], NOTES["losses"], strict=True):
        assert losses == pytest.approx(recorded, rel=1e-4)


@pytest.mark.slow
def test_an_old_run_decodes_and_is_evaluated_as_by_the_old_code(make_run, continued, old_run):
    folder = old_run.parent
    (folder / "data").symlink_to(continued / "data")
    decoded, evaluated = make_run.decoded(folder), make_run.evaluated(folder)
    if make_run.machine() == NOTES["machine"]:
        assert decoded == NOTES["decoded"]
        assert evaluated == NOTES["evaluated"]
    assert len(decoded) == 2 and all(decoded)
    for name, figures in NOTES["evaluated"].items():
        assert evaluated[name].keys() == figures.keys()
        assert evaluated[name]["log_perplexity"] == pytest.approx(figures["log_perplexity"], rel=1e-4)


@pytest.mark.slow
def test_surgery_extracts_a_problem_from_an_old_run(make_run, continued):
    arguments = ("--from=run", "--problems=image_shapes", "--output_dir=shapes", "--data_dir=data")
    make_run.run("surgery", "extract", *arguments, "--count_batches=2", "--eval_examples=0", folder=continued)
    assert list(open_run(continued / "shapes").config.problems) == ["image_shapes"]
