"""New runs made from a trained one: the problems that they keep have the same results as before, to the last bit."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from t2t_mm import run_directory
from t2t_mm.data.datagen.generate import generate
from t2t_mm.data.features.text import Text
from t2t_mm.data.input.batches import Batches
from t2t_mm.data.input.generated_problem import open_problem
from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, Problem
from t2t_mm.registry import HPARAM_SETS, PROBLEMS
from t2t_mm.run_config import RunConfig
from t2t_mm.run_tools.surgery.experts import pruned
from t2t_mm.run_tools.surgery.operate import check_changes, check_target, operate, write
from t2t_mm.run_tools.surgery.operations import Trained, add, drop, extract
from t2t_mm.run_tools.trained_run import open_run, read_checkpoint
from t2t_mm.train import checkpoint
from t2t_mm.train.summaries.activations import ActivationReader
from t2t_mm.train.trainer import Trainer

SLOTS = ("m", "v", "average")


def written(run, config, folder, **options):
    write(run, operate(run, config, **options), folder)
    return Trained(folder, run_directory.load(folder), *read_checkpoint(folder))


def assert_answers_as_before(answers, before, after, names):
    for name in names:
        logits, *losses = answers(before.folder, name)
        again, *losses_again = answers(after.folder, name)
        np.testing.assert_array_equal(again, logits)
        assert losses_again == losses


def test_after_dropping_a_problem_the_others_have_equal_results_and_training_continues(
    joint, letters, answers, tmp_path
):
    new = written(joint, drop(joint, ["capitals"]), tmp_path / "new")
    assert_answers_as_before(answers, joint, new, ["first", "last"])
    dropped = {name for name in joint.arrays if name not in new.arrays}
    row = "net/commands/to-capitals"
    assert dropped == {row, *(f"{row}/{slot}" for slot in SLOTS), "steps/commands/to-capitals"}
    for name, value in new.arrays.items():
        np.testing.assert_array_equal(value, joint.arrays[name])
    assert new.state["positions"] == {"first": 11, "last": 12} and new.step == 40
    assert new.state["mixing"] == {"normalised_losses": {"first": 1.5, "last": 2.5}}
    ready = {name: letters[name] for name in ("first", "last")}
    run = Trainer(ready, new.config.hparams, RunConfig(output_dir=new.folder, random_seed=3, train_steps=50))
    assert run.step == 40 and run.positions == {"first": 11, "last": 12}
    for name, value in {**run.net.tensors(), **run.optimizer.tensors()}.items():
        np.testing.assert_array_equal(value, new.arrays[name])


def test_a_class_head_that_no_problem_uses_is_dropped_with_its_list_and_its_command(joint, answers, tmp_path):
    new = written(joint, drop(joint, ["first", "last"]), tmp_path / "new")
    assert_answers_as_before(answers, joint, new, ["capitals"])
    dropped = {"/".join(name.removeprefix("steps/").split("/")[:3]) for name in joint.arrays if name not in new.arrays}
    assert {name.removeprefix("net/").split("/")[0] for name in dropped} == {"label_letters", "commands"}
    assert "steps/commands/to-label" not in new.arrays and "net/commands/to-label" not in new.arrays
    assert not (new.folder / "classes.letters.txt").exists() and (new.folder / "vocab.letters.model").exists()


@pytest.mark.parametrize("name", ["capitals", "first"])
def test_a_problem_extracted_with_all_its_experts_has_the_results_of_the_joint_model(
    joint, letters, answers, tmp_path, name
):
    net = open_run(joint.folder).decoder.net
    new = written(joint, extract(joint, net, letters[name], {}), tmp_path / "new")
    assert_answers_as_before(answers, joint, new, [name])
    nets = {"/".join(path.split("/")[1:3]) for path in new.arrays}
    assert ("body/decoder" in nets) == ("text_letters/score" in nets) == (name == "capitals")
    assert "label_letters/line" in nets if name == "first" else "label_letters/line" not in nets
    config = new.config
    left_out = config.run_config.left_out
    run_config = RunConfig(output_dir=new.folder, train_steps=50, random_seed=3, left_out=left_out)
    run = Trainer({name: letters[name]}, config.hparams, run_config)
    assert run.step == 40 and run.net.tensors().keys() == checkpoint.weights_of(new.arrays).keys()


@pytest.mark.slow
def test_experts_that_are_never_chosen_are_pruned_without_a_difference(joint, letters, answers, tmp_path):
    """With s = x[0] the scores are s, s, s, -s, 0, -s. Two are chosen, of equal ones the first: never 2 and never 4."""
    arrays = {name: value.copy() for name, value in joint.arrays.items()}
    before = tmp_path / "before"
    shutil.copytree(joint.folder, before)
    for layer in ("encoder", "decoder"):
        for name in ("gate", "gate/average"):
            arrays[f"net/body/{layer}/experts/{name}"][:] = np.outer(np.eye(8)[0], [1, 1, 1, -1, 0, -1])
    checkpoint.save(before, 40, arrays, joint.state, keep=0)
    run = Trained(before, joint.config, *read_checkpoint(before))
    decoder = open_run(before).decoder
    dev = Batches(letters["capitals"], DEV, decoder.hparams, 0, training=False)
    choices = ActivationReader(decoder.net, decoder.hparams).choices(letters["capitals"], [dev.batch(0)])
    experts = pruned(decoder.net, choices, below=0.0)
    for layer, choices_E in choices.items():
        stay = experts[f"net/body/{layer}"].tolist()
        assert {*np.flatnonzero(choices_E)} <= {*stay} and len(stay) in (3, 4) and 4 not in stay
    config = extract(run, decoder.net, letters["capitals"], experts)
    new = written(run, config, tmp_path / "new", experts=experts)
    stay = experts["net/body/decoder/experts"]
    assert new.config.hparams.body.decoder_experts == len(stay)
    for name in ("hidden", "hidden/m", "output/average"):
        path = f"net/body/decoder/experts/{name}"
        np.testing.assert_array_equal(new.arrays[path], run.arrays[path][stay])
    logits, *losses = answers(before, "capitals")
    again, *losses_again = answers(new.folder, "capitals")
    np.testing.assert_allclose(again, logits, rtol=0, atol=1e-6)
    np.testing.assert_allclose(losses_again, losses, rtol=1e-6)


class Spelled(Problem):
    """A letter at a time, in words of a vocabulary of its own."""

    inputs, targets = Text("letters"), Text("spelled")
    command = "to-spelling"


@pytest.fixture
def spelled(letters, tmp_path, forgetful_registries):
    data = tmp_path / "data"
    data.mkdir()
    shutil.copy(letters["first"].folder.parent / "vocab.letters.model", data)
    Spelled.source = type(letters["first"].problem.source)(lambda text: text.replace("a", "alpha").replace("b", "beta"))
    PROBLEMS.register(Spelled, name="spelled")
    generate({"spelled": Spelled}, data, data, report=lambda line: None)
    return open_problem("spelled", Spelled, data)


@pytest.mark.slow
def test_after_adding_a_problem_the_old_ones_have_equal_results_and_the_new_one_is_initialised(
    joint, letters, spelled, answers, tmp_path
):
    config = add(joint, {"spelled": spelled})
    operated = operate(joint, config, "freeze=body text_letters", new={"spelled": spelled})
    write(joint, operated, tmp_path / "new", spelled.folder.parent)
    new = Trained(tmp_path / "new", run_directory.load(tmp_path / "new"), *read_checkpoint(tmp_path / "new"))
    assert_answers_as_before(answers, joint, new, ["capitals", "first", "last"])
    assert np.isfinite(answers(new.folder, "spelled", spelled)[1])
    fresh = {name for name in new.arrays if name not in joint.arrays}
    assert {name.removeprefix("net/").split("/")[0] for name in fresh if not name.startswith("steps/")} == {
        "text_spelled",
        "commands",
    }
    for name in fresh:
        if name.startswith("steps/") or name.endswith(("/m", "/v")):
            assert not new.arrays[name].any()
        elif name.endswith("/average"):
            np.testing.assert_array_equal(new.arrays[name], new.arrays[name.removesuffix("/average")])
    assert new.state["positions"]["spelled"] == 0 and new.state["positions"]["first"] == 11
    assert new.state["mixing"]["normalised_losses"] == {"capitals": 0.5, "first": 1.5, "last": 2.5, "spelled": 1.0}
    slots = {name.rpartition("/")[2] for name in new.arrays if name.startswith("net/body/") and name.endswith("/m")}
    assert not slots and (new.folder / "vocab.spelled.model").exists()
    ready = {**letters, "spelled": spelled}
    ready = {name: ready[name] for name in new.config.problems}
    run = Trainer(ready, new.config.hparams, RunConfig(output_dir=new.folder, random_seed=3, train_steps=50))
    assert run.step == 40 and "net/text_spelled/embed/rows" in run.optimizer.weights


@pytest.mark.slow
def test_statistics_of_the_problems_that_stay_are_kept(make_joint, answers, tmp_path):
    hparams = HPARAM_SETS["bn_lstm_tiny"]().override("hidden_size=8,statistics_steps=8,batch_size=128,buckets=2")
    folder = make_joint("capitals first", hparams)
    joint = Trained(folder, run_directory.load(folder), *read_checkpoint(folder))
    new = written(joint, drop(joint, ["capitals"]), tmp_path / "new")
    assert_answers_as_before(answers, joint, new, ["first"])
    statistics = {name.split("/")[-2] for name in joint.arrays.keys() - new.arrays.keys() if "_norm/" in name}
    assert statistics == {"capitals"}


def test_an_operative_configuration_says_what_the_new_run_is(joint, tmp_path):
    shutil.copytree(joint.folder, tmp_path / "old")
    (tmp_path / "old" / "operative_config.gin").write_text("run.problems = 'capitals-first-last'\n")
    old = replace(joint, folder=tmp_path / "old", checkpoint=tmp_path / "old" / joint.checkpoint.name)
    new = written(old, drop(old, ["last"]), tmp_path / "new", changes="freeze=body")
    lines = (new.folder / "operative_config.gin").read_text().splitlines()
    assert lines[0] == "run.problems = 'capitals-first-last'"
    assert lines[-2:] == ["run.problems = 'capitals-first'", "TrainingHparams.freeze = 'body'"]
    assert json.loads((new.folder / "config.json").read_text())["training"]["freeze"] == "body"


def test_the_configuration_names_the_parts_left_out_and_has_no_outdated_lines(joint, letters, tmp_path):
    def lines(metric, operated):
        old = tmp_path / f"old-{metric.replace('/', '-')}"
        shutil.copytree(joint.folder, old)
        bindings = ["run.train_steps = 50", "run.warm_start_from = '/other'", f"run.best_metric = '{metric}'"]
        bindings += ["run.eval_early_stopping_steps = 9", "run.left_out = ('body/mixer',)"]
        (old / "operative_config.gin").write_text("\n".join(bindings) + "\n")
        folder = tmp_path / f"new-{metric.replace('/', '-')}"
        write(replace(joint, folder=old), operated, folder)
        text = (folder / "operative_config.gin").read_text()
        return [line for line in text.splitlines() if line.startswith("run.")]

    net = open_run(joint.folder).decoder.net
    operated = operate(joint, extract(joint, net, letters["first"], {}))
    left_out = "run.left_out = ('body/decoder', 'body/mixer', 'label_letters/grid', 'text_letters/score')"
    own = ["run.problems = 'first'", left_out]
    assert operated.config.run_config.left_out == (
        "body/decoder",
        "body/mixer",
        "label_letters/grid",
        "text_letters/score",
    )
    assert lines("last/accuracy", operated) == ["run.train_steps = 50", *own]
    kept = ["run.train_steps = 50", "run.best_metric = 'first/accuracy'", "run.eval_early_stopping_steps = 9"]
    assert lines("first/accuracy", operated) == [*kept, *own]
    without = operate(joint, drop(joint, ["last"]))
    assert lines("accuracy", without)[-1] == "run.problems = 'capitals-first'"


def test_changes_are_refused_before_experts_are_counted(joint):
    net = open_run(joint.folder).decoder.net
    for changes, sentence in (
        ("hidden_size=16", "only training hparams can be changed"),
        ("optimizer=momentum", "The run was trained with optimizer=adam"),
        ("freeze=body/decoda", "freeze=body/decoda names no part of the net"),
        ("problem_choice=fixed", "without a rate for first"),
        ("learning_rat=1", "No hparam is named 'learning_rat'"),
    ):
        with pytest.raises(UserError, match=sentence):
            check_changes(joint, "first", changes, net)
    check_changes(joint, "first", "freeze=body/encoder,learning_rate=1", net)


def test_the_trained_run_is_not_changed_and_a_new_run_overwrites_nothing(joint, tmp_path):
    before = {path: path.read_bytes() for path in joint.folder.iterdir()}
    for folder in (joint.folder, joint.folder / "config.json"):
        with pytest.raises(UserError, match="is not empty; a new run needs a folder of its own"):
            check_target(folder)
    (tmp_path / "empty").mkdir()
    written(joint, drop(joint, ["last"]), tmp_path / "empty")
    assert {path: path.read_bytes() for path in joint.folder.iterdir()} == before
    shutil.copytree(joint.folder, tmp_path / "old")
    (tmp_path / "old" / "classes.letters.txt").write_text("z\n")
    with pytest.raises(UserError, match=r"classes\.letters\.txt is missing or was changed since the training"):
        written(replace(joint, folder=tmp_path / "old"), drop(joint, ["last"]), tmp_path / "new")
    assert not (tmp_path / "new").exists() and not list(tmp_path.glob(".partial*"))


def test_hparams_that_training_would_refuse_are_refused(joint, tmp_path):
    for changes, sentence in (
        ("optimizer=momentum", "The run was trained with optimizer=adam"),
        ("freeze=body/decoda", "freeze=body/decoda names no part of the net"),
        ("problem_choice=fixed", "without a rate for capitals, first"),
    ):
        with pytest.raises(UserError, match=sentence):
            operate(joint, drop(joint, ["last"]), changes)
