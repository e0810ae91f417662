"""t2t-mm-surgery on a small trained run: the new run can be decoded with, evaluated and trained further."""

import json

import keras
import numpy as np
import pytest
from PIL import Image

from t2t_mm import runs
from t2t_mm.bin import decoder, evaluator, surgery
from t2t_mm.run_config import RunConfig
from t2t_mm.run_tools.trained_run import open_run
from t2t_mm.train import checkpoint

if keras.backend.backend() != "tensorflow":
    pytest.skip("XLA would compile for an hour", allow_module_level=True)
pytestmark = pytest.mark.slow

SMALL = (
    "hidden_size=8,encoder_blocks=1,mixer_blocks=1,decoder_blocks=1,experts=6,expert_size=8,attention_heads=2,"
    "ema_decay=0.9,buckets=2,batch_size=256"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("surgery")


@pytest.fixture
def done(folder, monkeypatch, capfd):
    """Run a command's function in the folder of the runs; gives what it printed."""
    monkeypatch.chdir(folder)

    def run(command, *arguments, code=0):
        exit_code = command.main(arguments)
        printed = capfd.readouterr()
        assert exit_code == code, printed.err
        return printed.out + printed.err

    return run


def trained(folder, name, steps, **arguments):
    """Train as t2t-mm-trainer does, which gin lets run only once in a process."""
    where = {"data_dir": folder / "data", "tmp_dir": folder, "output_dir": folder / name}
    runs.run(RunConfig(**arguments, **where, train_steps=steps), report=lambda line: None).trainer.train()


@pytest.fixture(scope="module")
def files(folder):
    """Train a run of two problems; gives the content of each of its files."""
    problems = ["translate_north_south", "image_shapes"]
    trained(folder, "old", 4, problems=problems, hparams_set="multimodel_demo", hparams=SMALL)
    return {path: path.read_bytes() for path in (folder / "old").iterdir() if path.is_file()}


def config(folder, name):
    return json.loads((folder / name / "config.json").read_text())


def test_an_extracted_problem_has_fewer_experts_and_is_evaluated(folder, files, done):
    alone = ("extract", "--from=old", "--problems=translate_north_south", "--data_dir=data", "--count_batches=2")
    evaluated = ("--eval_examples=4", "--beam_size=1")
    output = done(surgery, *alone, "--output_dir=alone", "--experts_below=0.2", *evaluated)
    assert "| encoder/experts | " in output and "experts pruned" in output
    assert "translate_north_south alone minus old: dev set" in output
    new = config(folder, "alone")
    assert new["body"]["experts"] < 6 and new["body"]["decoder_experts"] < 6
    assert list(new["problems"]) == ["translate_north_south"]
    assert new["command_line"][:2] == ["t2t-mm-surgery", "extract"]
    assert not (folder / "alone" / "classes.shapes.txt").exists()
    assert len(list((folder / "alone" / "eval").iterdir())) == 2
    assert {path: path.read_bytes() for path in files} == files


def test_a_class_alone_has_no_decoder_until_a_problem_that_writes_is_added(folder, files, done):
    classes = ("extract", "--from=old", "--problems=image_shapes", "--data_dir=data", "--output_dir=classes")
    done(surgery, *classes, "--keep_experts", "--eval_examples=0")
    assert config(folder, "classes")["run_config"]["left_out"] == ["body/decoder", "body/mixer", "label_shapes/line"]
    Image.new("RGB", (32, 32), "red").save(folder / "red.png")
    (folder / "in.txt").write_text("red.png\n")
    classes = (folder / "classes" / "classes.shapes.txt").read_text().split("\n")
    assert done(decoder, "--output_dir=classes", "--decode_from_file=in.txt").split("\n")[0] in classes

    done(surgery, "add", "--from=classes", "--problems=parsing_grammar", "--data_dir=data", "--output_dir=more")
    trained(folder, "more", 7, hparams="freeze=body/encoder image label_*")
    began, _ = checkpoint.load(folder / "more" / "model.ckpt-4.safetensors")
    ended, _ = checkpoint.load(folder / "more" / "model.ckpt-7.safetensors")
    assert (began["net/text_builtin/embed/rows"] != ended["net/text_builtin/embed/rows"]).any()
    for path, value in ended.items():
        if path.startswith(("net/body/encoder", "net/image", "net/label_shapes")):
            np.testing.assert_array_equal(value, began[f"{path}/average"])
    assert not [path for path in ended if path.startswith("net/label_shapes/line")]

    done(surgery, "drop", "--from=more", "--problems=image_shapes", "--output_dir=less")
    assert checkpoint.steps(folder / "less") == [7]
    assert list(open_run(folder / "less").config.problems) == ["parsing_grammar"]
    evaluated = ("--problems=image_shapes", "--data_dir=data", "--eval_examples=5")
    assert "image_shapes" in done(evaluator, "--output_dir=more", *evaluated)


def test_an_impossible_operation_is_one_sentence_and_leaves_nothing(folder, files, done):
    for sentence, *arguments in (
        ("is not empty", "drop", "--from=old", "--problems=image_shapes", "--output_dir=old"),
        ("No problem of old is named", "extract", "--from=old", "--problems=parsing_grammar", "--data_dir=data"),
        ("has learnt image_shapes already", "add", "--from=old", "--problems=image_shapes", "--data_dir=data"),
        ("no problem of old would be left", "drop", "--from=old", "--problems=image_shapes,translate_north_south"),
        ("holds no run", "drop", "--from=data", "--problems=parsing_grammar"),
        ("only training hparams", "drop", "--from=old", "--problems=image_shapes", "--hparams=hidden_size=16"),
        (
            "freeze=body/decoda names no part",
            *("extract", "--from=old", "--problems=image_shapes", "--data_dir=data", "--hparams=freeze=body/decoda"),
        ),
        ("There is no checkpoint", "drop", "--from=old", "--problems=image_shapes", "--checkpoint_path=old/ckpt-9"),
    ):
        to = () if sentence == "is not empty" else ("--output_dir=no",)
        output = done(surgery, *arguments, *to, code=1)
        assert output.startswith("t2t-mm-surgery: ") and output.count("\n") == 1 and sentence in output
        assert not (folder / "no").exists()
