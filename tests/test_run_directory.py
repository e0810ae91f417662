import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from t2t_mm import run_directory
from t2t_mm.errors import UserError
from t2t_mm.feature import Port, Signature
from t2t_mm.fingerprint import fingerprint
from t2t_mm.hparam_set import DataHparams, HparamSet, TrainingHparams
from t2t_mm.plugins import Plugin
from t2t_mm.run_config import RunConfig
from t2t_mm.run_directory import RunRecord


@dataclass(frozen=True, kw_only=True)
class Body:
    hidden_size: int = 8
    dropout: float = 0.1


TEXT, LABEL = Port("text", "text_subwords", 1000), Port("label", "label_shapes", 9)
RUN = RunRecord(
    run_config=RunConfig(
        problems=("translate", "name"),
        hparams_set="small",
        random_seed=7,
        train_steps=50,
        warm_start_from=Path("/other"),
        left_out=("body/decoder", "label_shapes/line"),
    ),
    hparams=HparamSet(
        "some_model", Body(dropout=1 / 3), TrainingHparams(adam_epsilon=1e-9), DataHparams(batch_size=99)
    ),
    problems={"translate": Signature(TEXT, TEXT, "to-german"), "name": Signature(None, LABEL, "to-label")},
    files={"vocab.subwords.model": "12ab"},
    records={"translate train": "ab12"},
    versions={"keras": "3.15.1"},
    command_line=("t2t-mm-trainer", "--hparams=x=ä"),
)


def test_what_was_saved_is_loaded(tmp_path):
    run_directory.save(RUN, tmp_path / "new")
    assert run_directory.load(tmp_path / "new") == RUN


def test_plugins_are_read_without_loading_them(tmp_path):
    mine = Plugin("mine", "/nowhere/mine", "mine")
    run_directory.save(replace(RUN, plugins=(mine,)), tmp_path)
    assert run_directory.read_plugins(tmp_path) == [mine]
    with pytest.raises(UserError, match="/nowhere/mine, which is no longer there"):
        run_directory.load(tmp_path)


def test_an_hparam_that_is_newer_than_the_run_takes_its_default(tmp_path):
    edit(tmp_path, lambda content: content["training"].pop("clip_grad_norm"))
    assert run_directory.load(tmp_path).hparams.training.clip_grad_norm == TrainingHparams().clip_grad_norm
    edit(tmp_path, lambda content: content["run_config"].pop("left_out"))
    assert run_directory.load(tmp_path).run_config.left_out == ()


def test_a_run_of_version_0_1_0_is_loaded_from_the_names_that_it_had(tmp_path):
    def as_before(content):
        config = content.pop("run_config")
        content["seed"], content["began_from"] = config["random_seed"], config["warm_start_from"]
        content.update({name: config[name] for name in ("hparams_set", "train_steps", "left_out")})

    edit(tmp_path, as_before)
    assert run_directory.load(tmp_path) == RUN


def edit(folder, change):
    """Save RUN, and change what stands in the file."""
    path = run_directory.save(RUN, folder)
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda content: content.pop("problems"), "'problems' is missing"),
        (lambda content: content["body"].update(width=3), "there is no hparam 'width'"),
        (lambda content: content["body"].update(hidden_size="8"), "hparam hidden_size is '8', not a value of type int"),
        (lambda content: content.update(body_record="t2t_mm.errors:UserError"), "UserError is not an hparams record"),
        (lambda content: content.update(body_record="gone_plugin:Body"), "No module named 'gone_plugin'"),
        (lambda content: content["problems"].update(name=3), "is not subscriptable"),
        (lambda content: content["run_config"].update(colour=3), "unexpected keyword argument 'colour'"),
    ],
)
def test_a_file_that_is_not_of_this_version_is_refused_in_a_sentence(tmp_path, change, said):
    edit(tmp_path, change)
    with pytest.raises(UserError) as caught:
        run_directory.load(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}/config.json cannot be read as a run of this version: ")
    assert said in str(caught.value)


@pytest.mark.parametrize("text, said", [('{"plugins": [', "is broken: "), ("[]", "is broken: it holds a list")])
def test_a_broken_file_is_refused_in_a_sentence(tmp_path, text, said):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(UserError, match=said):
        run_directory.load(tmp_path)


def test_a_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(UserError, match=f"{tmp_path}/none holds no run: there is no config.json"):
        run_directory.load(tmp_path / "none")


def changed(body=None, training=None, **others):
    hparams = replace(
        RUN.hparams,
        body=replace(RUN.hparams.body, **(body or {})),
        training=replace(RUN.hparams.training, **(training or {})),
    )
    return replace(RUN, hparams=hparams, **others)


def test_the_same_run_may_go_on():
    assert run_directory.check_same(RUN, RUN, "run") == []


def test_a_run_that_does_not_say_what_data_it_began_with_may_go_on():
    assert run_directory.check_same(replace(RUN, records={}), RUN, "run") == []


def test_other_data_is_refused_by_split_with_both_fingerprints(tmp_path):
    began = replace(RUN, records={"name train": "a" * 64, "name dev": "b" * 64})
    now = replace(RUN, records={"name train": "a" * 64, "name dev": "c" * 64})
    with pytest.raises(UserError) as caught:
        run_directory.check_same(began, now, tmp_path)
    assert str(caught.value) == (
        f"The data has changed since the run in {tmp_path} began: the files of name dev had the fingerprint "
        "bbbbbbbbbbbb in its manifest, and have cccccccccccc now. Bring it back, or begin another run on the new data "
        f"with --warm_start_from={tmp_path}."
    )


def test_what_is_no_obstacle_is_told():
    wanted = changed(training={"learning_rate": 0.5}, versions={"keras": "4.0"}, command_line=())
    assert run_directory.check_same(RUN, wanted, "run") == [
        "hparam learning_rate is 1.0 there and 0.5 here.",
        "version of keras is 3.15.1 there and 4.0 here.",
    ]


@pytest.mark.parametrize(
    "wanted, said",
    [
        (changed(body={"hidden_size": 16}), "hparam hidden_size is 8 there and 16 here"),
        (replace(RUN, hparams=replace(RUN.hparams, model="vit")), "model is some_model there and vit here"),
        (replace(RUN, problems={**RUN.problems, "parse": RUN.problems["name"]}), "problem parse is no part of it"),
        (
            replace(RUN, problems={"translate": RUN.problems["translate"]}),
            "problem name is part of it and was not requested",
        ),
        (
            replace(
                RUN, problems={**RUN.problems, "name": Signature(None, Port("label", "label_shapes", 12), "to-label")}
            ),
            "problem name targets size is 9 there and 12 here",
        ),
        (
            replace(RUN, problems={**RUN.problems, "name": Signature(TEXT, LABEL, "to-label")}),
            "problem name inputs",
        ),
        (replace(RUN, run_config=replace(RUN.run_config, random_seed=8)), "seed is 7 there and 8 here"),
        (replace(RUN, files={"vocab.subwords.model": "34cd"}), "vocab.subwords.model is 12ab there and 34cd here"),
    ],
)
def test_another_run_is_refused_with_the_keys_that_differ(wanted, said):
    with pytest.raises(UserError) as caught:
        run_directory.check_same(RUN, wanted, "run")
    assert str(caught.value).startswith("run holds another run: ") and said in str(caught.value)
    assert "learning_rate" not in str(caught.value)


def test_vocabularies_are_copied_once_and_kept(tmp_path):
    data, run = tmp_path / "data", tmp_path / "run"
    data.mkdir()
    (data / "vocab.model").write_bytes(b"abc")
    of_abc = {"vocab.model": fingerprint(data / "vocab.model")}
    for _ in range(2):
        run_directory.copy_files(data, run, of_abc)
        assert (run / "vocab.model").read_bytes() == b"abc"
    (data / "vocab.model").write_bytes(b"abd")
    with pytest.raises(UserError, match="differ: the run was trained with another one"):
        run_directory.copy_files(data, run, {"vocab.model": fingerprint(data / "vocab.model")})
    assert (run / "vocab.model").read_bytes() == b"abc"


def test_a_vocabulary_that_is_missing_is_named(tmp_path):
    with pytest.raises(UserError, match=f"{tmp_path}/vocab.model is missing; t2t-mm-datagen makes it"):
        run_directory.copy_files(tmp_path, tmp_path / "run", {"vocab.model": "any"})


def test_what_repeating_a_run_depends_on_is_recorded(monkeypatch):
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "3")
    found = run_directory.versions()
    assert found["threads"] == "3" and {"t2t_mm", "python", "keras", "numpy"} < set(found)
