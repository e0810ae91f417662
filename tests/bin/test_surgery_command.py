"""t2t-mm-surgery on a small trained run: what comes of it decodes, is judged and trains on."""

import json

import keras
import numpy as np
import pytest
from PIL import Image

from t2t_mm import runs
from t2t_mm.bin import decoder, evaluator, surgery
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
    """Run a command's function where the runs lie; gives what it printed."""
    monkeypatch.chdir(folder)

    def run(command, *arguments, code=0):
        found = command.main(arguments)
        said = capfd.readouterr()
        assert found == code, said.err
        return said.out + said.err

    return run


def trained(folder, name, steps, **given):
    """Train as t2t-mm-trainer does, which gin lets run but once in a process."""
    where = {"data_dir": folder / "data", "tmp_dir": folder, "output_dir": folder / name}
    runs.run(**given, **where, train_steps=steps, report=lambda line: None).trainer.train()


@pytest.fixture(scope="module")
def files(folder):
    """A run of two problems, and what each of its files holds."""
    problems = ["translate_north_south", "image_shapes"]
    trained(folder, "old", 4, problems=problems, hparams_set="multimodel_demo", hparams=SMALL)
    return {path: path.read_bytes() for path in (folder / "old").iterdir() if path.is_file()}


def config(folder, name):
    return json.loads((folder / name / "config.json").read_text())


def test_one_alone_has_fewer_experts_and_answers(folder, files, done):
    alone = ("extract", "--from=old", "--problems=translate_north_south", "--data_dir=data", "--count_batches=2")
    judged = ("--eval_examples=4", "--beam_size=1")
    said = done(surgery, *alone, "--output_dir=alone", "--experts_below=0.2", *judged)
    assert "| encoder/experts | " in said and "experts pruned" in said
    assert "translate_north_south alone minus old: dev set" in said
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
    assert config(folder, "classes")["left_out"] == ["body/decoder", "body/mixer", "label_shapes/line"]
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
    judged = ("--problems=image_shapes", "--data_dir=data", "--eval_examples=5")
    assert "image_shapes" in done(evaluator, "--output_dir=more", *judged)


def test_what_cannot_be_done_is_one_sentence_and_leaves_nothing(folder, files, done):
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
        said = done(surgery, *arguments, *to, code=1)
        assert said.startswith("t2t-mm-surgery: ") and said.count("\n") == 1 and sentence in said
        assert not (folder / "no").exists()
