"""From names and numbers to a run: what flags, gin and an earlier run in the same folder come to."""

import json
import re
from pathlib import Path

import gin
import numpy as np
import pytest

from t2t_mm import run_directory, runs
from t2t_mm.bin import trainer
from t2t_mm.data.features.label import Label
from t2t_mm.data.features.text import Text
from t2t_mm.data.input.generated_problem import open_problem
from t2t_mm.errors import UserError
from t2t_mm.feature import Feature
from t2t_mm.gin_bindings import parse_gin, run_bindings
from t2t_mm.problem import DEV, TRAIN, Example, Problem, Source
from t2t_mm.registry import MODELS, PROBLEMS
from t2t_mm.run_config import RunConfig

TINY = "hidden_size=8,encoder_blocks=1,mixer_blocks=0,decoder_blocks=1,experts=0,attention=False"


class Words(Source):
    """Words, and how they end."""

    def splits(self, tmp_dir: Path) -> tuple[str, ...]:
        return (TRAIN, DEV)

    def examples(self, split: str, tmp_dir: Path):
        for index in range(20):
            ending = ("ing", "ed")[index % 2]
            yield Example(f"{split}/{index}", {"inputs": f"word {index} walk{ending}", "targets": ending})

    def present(self, tmp_dir: Path) -> bool:
        return True


class NameEnding(Problem):
    source = Words()
    inputs, targets = Text("endings"), Label("endings")
    command = "to-label"
    metrics = ("neg_log_perplexity", "accuracy")


class NameEndingToo(NameEnding):
    pass


class OwnText(Feature):
    """A feature as a plugin writes it: it knows its modality, and none of its files is ever made."""

    modality = "text"

    def __init__(self, name: str) -> None:
        self.name = name

    def sample(self, value):
        raise NotImplementedError

    def prepare(self, data_dir, alike, samples, seed, report):
        raise NotImplementedError

    def files(self):
        return (f"own.{self.name}",)

    def open(self, folder):
        raise NotImplementedError


@pytest.fixture
def run(tmp_path, forgetful_registries):
    PROBLEMS.register(NameEnding)
    PROBLEMS.register(NameEndingToo)

    def start(output="run", report=lambda line: None, command_line=(), write=True, **fields):
        names = {"problems": ("name_ending", "name_ending_too"), "hparams_set": "multimodel_demo", "hparams": TINY}
        folders = {"data_dir": tmp_path / "data", "tmp_dir": tmp_path / "corpora", "output_dir": tmp_path / output}
        config = RunConfig(**{**names, **folders, "train_steps": 2, **fields})
        return runs.begin(runs.resolve(config), command_line=command_line, write=write, report=report)

    yield start
    gin.clear_config()


def test_a_run_directory_holds_what_the_run_is(run, tmp_path):
    made = run(command_line=("t2t-mm-trainer", "--problems=name_ending"))
    saved = run_directory.load(tmp_path / "run")
    assert saved.hparams == made.record.hparams
    assert saved.hparams.body.hidden_size == 8
    assert list(saved.problems) == ["name_ending", "name_ending_too"]
    assert saved.command_line == ("t2t-mm-trainer", "--problems=name_ending")
    files = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"config.json", "operative_config.gin", "vocab.endings.model", "classes.endings.txt"} <= files


def test_problems_and_hparams_may_be_left_to_the_run_that_is_there(run):
    first = run(hparams=f"{TINY},dropout=0.25", random_seed=3)
    again = run(problems=(), hparams_set=None, hparams="")
    assert again.record.hparams == first.record.hparams
    assert again.record.run_config.random_seed == 3
    assert again.record.run_config.hparams_set == "multimodel_demo"


def test_a_run_that_goes_on_keeps_its_order_of_problems(run):
    run()
    assert list(run(problems=("name_ending_too", "name_ending")).trainer.problems) == [
        "name_ending",
        "name_ending_too",
    ]


def test_a_run_of_other_problems_or_another_body_is_refused_and_left_as_it_is(run, tmp_path):
    run(problems=("name_ending",))
    before = {path: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    with pytest.raises(UserError, match="name_ending_too is no part of it"):
        run()
    with pytest.raises(UserError, match="hidden_size is 8 there and 12 here"):
        run(problems=("name_ending",), hparams=TINY.replace("=8", "=12"))
    assert {path: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before


def test_changed_rates_are_said_and_taken(run):
    run(problems=("name_ending",))
    said = []
    again = run(problems=("name_ending",), hparams=f"{TINY},learning_rate=0.5", report=said.append)
    assert [line for line in said if "learning_rate is 0.3 there and 0.5 here" in line]
    assert again.record.hparams.training.learning_rate == 0.5


def test_a_new_run_begins_with_what_fits_of_another_one_and_says_so(run, tmp_path):
    first = run(problems=("name_ending",))
    first.trainer.save()
    said = []
    other = run(output="other", random_seed=9, warm_start_from=tmp_path / "run", report=said.append)
    for path, value in first.trainer.net.tensors().items():
        np.testing.assert_array_equal(other.trainer.net.tensors()[path], value)
    count = len(first.trainer.net.tensors())
    path = tmp_path / "run" / "model.ckpt-0.safetensors"
    assert [line for line in said if line.startswith(f"Weights from {path}: {count} of {count} taken")]

    other.trainer.save()
    again = run(output="other", random_seed=9, warm_start_from=tmp_path / "run", report=said.append)
    assert again.trainer.began
    assert said[-1] == "The run goes on from its own checkpoint; --warm_start_from is for a new one."


def test_nets_whose_vocabulary_is_another_file_begin_anew(run, tmp_path):
    first = run(problems=("name_ending",))
    first.trainer.save()
    config = tmp_path / "run" / "config.json"
    content = json.loads(config.read_text())
    content["files"]["vocab.endings.model"] = "0" * 64
    config.write_text(json.dumps(content))
    said = []
    other = run(output="other", random_seed=9, warm_start_from=tmp_path / "run", report=said.append)
    assert "  not taken, its vocabulary is another: text_endings/embed (1)" in "\n".join(said)
    here, there = other.trainer.net.tensors(), first.trainer.net.tensors()
    same = {path.split("/")[1] for path in here if path in there and (here[path] == there[path]).all()}
    assert {"body", "label_endings"} <= same and "text_endings" not in same


def test_a_patience_without_a_metric_and_a_warm_start_from_nowhere_are_refused(run, tmp_path):
    with pytest.raises(UserError, match="give --best_metric too"):
        run(eval_early_stopping_steps=5)
    with pytest.raises(UserError, match="names no checkpoint and no run that has one"):
        run(problems=("name_ending",), warm_start_from=tmp_path / "nowhere")


def test_damaged_data_is_refused_before_anything_is_made_of_it(run, tmp_path):
    run()
    (tmp_path / "data" / "name_ending" / "dev-00000-of-00001.array_record").unlink()
    with pytest.raises(UserError, match="dev-00000-of-00001.array_record can't be read: No such file .* 20 records"):
        run(output="another")
    assert not (tmp_path / "another").exists()


def test_data_that_changed_since_the_run_began_is_refused_with_both_fingerprints(run, tmp_path):
    run()
    folder = tmp_path / "data" / "name_ending"
    content = json.loads((folder / "manifest.json").read_text())
    then = open_problem("name_ending", NameEnding, tmp_path / "data").manifest.splits[DEV].fingerprint
    [shard] = content["splits"]["dev"]["shards"]
    shard["sha256"] = "0" * 64
    (folder / "manifest.json").write_text(json.dumps(content))
    now = open_problem("name_ending", NameEnding, tmp_path / "data").manifest.splits[DEV].fingerprint
    said = f"the files of name_ending dev had the fingerprint {then[:12]} in its manifest, and have {now[:12]} now"
    with pytest.raises(UserError, match=said):
        run()
    folders = {"data_dir": tmp_path / "data", "tmp_dir": tmp_path / "corpora"}
    with pytest.raises(UserError, match=said):
        runs.check(RunConfig(**folders, output_dir=tmp_path / "run"), report=lambda line: None)
    run(output="another")  # a new run may begin with it


@pytest.mark.slow
def test_a_step_whose_loss_was_not_finite_is_taken_again_by_a_command(run, tmp_path, capsys):
    diverges = "learning_rate=1e30,clip_grad_norm=0,learning_rate_schedule=constant,learning_rate_warmup_steps=0"
    ready = run(problems=("name_ending",), hparams=f"{TINY},{diverges}", train_steps=9)
    with pytest.raises(UserError, match="The run is saved as it was before"):
        ready.trainer.train()
    [path] = (tmp_path / "run" / "faults").iterdir()
    blame = json.loads(path.read_text())["blame"]
    capsys.readouterr()
    assert trainer.main([f"--replay={path}", f"--data_dir={tmp_path / 'data'}"]) == 0
    assert blame in " ".join(capsys.readouterr().out.split())
    assert trainer.main([f"--replay={tmp_path}/nowhere/faults/step-1.json"]) == 1
    assert f"{tmp_path}/nowhere holds none. Give <output_dir>/faults/step-" in capsys.readouterr().err


def test_the_model_flag_is_a_check(run):
    with pytest.raises(UserError, match="--model=transformer was given"):
        run(model="transformer")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("vit_tiny", "The model vit cannot learn name_ending: its inputs are text, and vit reads only image inputs."),
        ("bn_lstm_ptb", "The model bn_lstm cannot learn name_ending with these hparams: Inputs need an encoder"),
        ("sounding", "The model multimodel cannot learn sounds: its targets are text, and multimodel writes only"),
    ],
)
def test_what_a_model_cannot_learn_is_refused_before_any_data_is_made(run, settings, said, tmp_path, monkeypatch):
    names = ("name_ending",)
    if settings == "sounding":  # a feature of a plugin's own says its modality, too
        PROBLEMS.register(type("Sounds", (NameEnding,), {"targets": OwnText("sounds")}))
        monkeypatch.setattr(MODELS["multimodel"], "writes", ("label",))
        names, settings = ("name_ending", "sounds"), "multimodel_demo"
    folders = {name: tmp_path / name for name in ("data_dir", "tmp_dir", "output_dir")}
    config = RunConfig(problems=names, hparams_set=settings, **folders)
    for attempt in (runs.run, runs.check):
        with pytest.raises(UserError, match=said):
            attempt(config)
    assert not list(tmp_path.iterdir())


def test_the_trainer_refuses_it_with_code_1_and_leaves_no_folder(run, tmp_path, capsys):
    places = [f"--{place}={tmp_path / place}" for place in ("data_dir", "tmp_dir", "output_dir")]
    assert trainer.main(["--problems=name_ending", "--hparams_set=vit_tiny", *places]) == 1
    said = capsys.readouterr().err
    assert "t2t-mm-trainer: The model vit cannot learn name_ending: its inputs are text, and vit reads only" in said
    assert "Generating" not in said and not list(tmp_path.iterdir())


def test_without_names_it_says_which_are_missing(run):
    with pytest.raises(UserError, match="No problem is named"):
        run(problems=())
    with pytest.raises(UserError, match="No hparam set is named: give --hparams_set, one of .*multimodel_base"):
        run(hparams_set=None)


def test_gin_binds_the_run_and_the_hparams_and_changes_come_last(run, tmp_path):
    file = tmp_path / "run.gin"
    file.write_text("run.train_steps = 7\nMultiModelHparams.dropout = 0.3\nDataHparams.batch_size = 99\n")
    parse_gin([str(file)], ["TrainingHparams.label_smoothing = 0.2"])
    assert run_bindings() == {"train_steps": 7}
    hparams = run(hparams=f"{TINY},batch_size=77").record.hparams
    assert (hparams.body.dropout, hparams.data.batch_size, hparams.training.label_smoothing) == (0.3, 77, 0.2)
    assert "MultiModelHparams.dropout = 0.3" in (tmp_path / "run" / "operative_config.gin").read_text()


def test_what_gin_bound_holds_until_it_is_read_again():
    parse_gin([], ["run.train_steps = 7"])
    parse_gin([], ["run.random_seed = 3"])
    assert run_bindings() == {"random_seed": 3}
    gin.clear_config()


@pytest.mark.parametrize(
    ("binding", "said"),
    [
        ("TrainingHparams.learning_rate = 'x'", "hparam learning_rate takes a value of type float; received 'x'"),
        ("TrainingHparams.freeze = 3", "hparam freeze takes a value of type str; received 3"),
        ("TrainingHparams.learning_rate_warmup_steps = 0.5", "takes a value of type int; received 0.5"),
        ("run.best_metric = 3", "gin: --best_metric takes a text; received 3"),
        ("run.train_steps = 'many'", "gin: --train_steps takes a whole number; received 'many'"),
        ("run.schedule = 'train'", "gin: run.schedule can't be bound; give --schedule on the command line"),
    ],
)
def test_gin_binds_values_of_the_right_type_alone(run, binding, said):
    parse_gin([], [binding])
    with pytest.raises(UserError, match=said):
        run(**run_bindings())


def test_looking_at_a_run_leaves_what_it_says_of_itself(run, tmp_path):
    run(train_steps=7, command_line=("t2t-mm-trainer", "--train_steps=7"))
    before = {path: path.read_bytes() for path in (tmp_path / "run").iterdir() if path.is_file()}
    looked = run(train_steps=None, hparams=f"{TINY},batch_size=50", command_line=("other",), write=False)
    assert looked.trainer.train_steps == 7 and looked.record.hparams.data.batch_size == 50
    assert {path: path.read_bytes() for path in (tmp_path / "run").iterdir() if path.is_file()} == before
    run(train_steps=2, output="never", write=False)
    assert not (tmp_path / "never").exists()


def test_a_run_remembers_its_length_and_says_when_a_rate_that_ends_with_it_is_bent(run):
    said = []
    cosine = f"{TINY},learning_rate_schedule=cosine"
    run(train_steps=7, hparams=cosine)
    assert run(train_steps=None, hparams=cosine, report=said.append).record.run_config.train_steps == 7
    assert said == []
    assert run(train_steps=9, hparams=cosine, report=said.append).record.run_config.train_steps == 9
    assert said == ["Going on with a difference: train_steps is 7 there and 9 here."]


@pytest.mark.parametrize("batches", [0, -2])
def test_an_evaluation_of_no_batches_is_refused(run, batches):
    with pytest.raises(UserError, match="--eval_steps" if batches else "--eval_steps=0 evaluates nothing"):
        run(eval_steps=batches)


@pytest.mark.slow
def test_the_operative_config_of_a_run_repeats_it_to_the_last_bit(run, tmp_path):
    parse_gin([], ["MultiModelHparams.dropout = 0.3"])
    schedule = "problem_choice=scheduled,problem_schedule=linear @0 name_ending:1 @4 uniform"
    first = run(hparams=f"{TINY},learning_rate=0.7,{schedule}", random_seed=3, train_steps=4, eval_steps=1)
    first.trainer.train()

    parse_gin([str(tmp_path / "run" / "operative_config.gin")], [])
    bound = run_bindings()
    assert bound["eval_steps"] == 1 and bound["random_seed"] == 3
    again = run(**bound, hparams="", output="again")
    assert again.record.hparams == first.record.hparams
    assert again.record.hparams.body.dropout == 0.3 and again.record.hparams.training.learning_rate == 0.7
    again.trainer.train()
    assert again.trainer.step == 4
    tensors = first.trainer.net.tensors() | first.trainer.optimizer.tensors()
    repeated = again.trainer.net.tensors() | again.trainer.optimizer.tensors()
    assert repeated.keys() == tensors.keys()
    assert all(np.array_equal(repeated[name], tensor) for name, tensor in tensors.items())


def test_the_operative_config_of_a_run_that_does_without_parts_makes_a_net_without_them(run, tmp_path):
    first = run(left_out=("body/decoder",))
    parse_gin([str(tmp_path / "run" / "operative_config.gin")], [])
    bound = run_bindings()
    gin.clear_config()
    assert tuple(bound["left_out"]) == ("body/decoder",)
    again = run(output="again", left_out=bound["left_out"])
    assert again.record.run_config.left_out == ("body/decoder",)
    assert again.trainer.net.tensors().keys() == first.trainer.net.tensors().keys()
    assert not [name for name in again.trainer.net.tensors() if name.startswith("net/body/decoder")]
    assert run(left_out=()).record.run_config.left_out == ("body/decoder",)


def test_the_operative_config_says_where_things_lay_in_comments_alone(run, tmp_path):
    run(problems=("name_ending",), warm_start_from=None)
    text = (tmp_path / "run" / "operative_config.gin").read_text()
    assert f"# --data_dir={tmp_path / 'data'}\n# --tmp_dir={tmp_path / 'corpora'}\n" in text
    bindings = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert not [line for line in bindings if str(tmp_path) in line]
    assert "run.problems = ('name_ending',)" in bindings and "DataHparams.batch_size = 1024" in bindings


@pytest.mark.parametrize(
    ("binding", "sentence"),
    [("run.train_stepz = 7", "train_stepz"), ("MultiModelHparams.droput = 1", "droput"), ("nothing", "gin: ")],
)
def test_what_gin_cannot_bind_is_a_sentence(run, binding, sentence):
    with pytest.raises(UserError, match=re.escape(sentence)):
        parse_gin([], [binding])


def test_a_gin_file_that_is_not_there_is_named(run):
    with pytest.raises(UserError, match="missing.gin"):
        parse_gin(["missing.gin"], [])
