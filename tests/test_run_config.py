"""One record of a run: each field is a flag, and every other face of it derives from the field."""

import json
from dataclasses import fields
from pathlib import Path

import pytest

from t2t_mm import run_directory
from t2t_mm.bin.trainer import parse_options, parser
from t2t_mm.errors import UserError
from t2t_mm.run_config import BOUND_BY_GIN, FLAGS, KEPT, RunConfig, flags_of, reference_table

DOCUMENT = Path(__file__).parents[1] / "docs" / "trainer_flags.md"


def test_the_document_of_all_flags_is_the_table_that_derives_from_the_fields():
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text[text.index("## ") :] == reference_table(), "run: python -m t2t_mm.run_config"


def test_every_field_but_left_out_is_a_flag_of_the_parser_with_its_help_and_aliases():
    flags = {action.dest: action for action in parser()._actions if action.help != "==SUPPRESS=="}
    assert {field.name for field in fields(RunConfig)} - {field.name for field in FLAGS} == {"left_out"}
    for field in FLAGS:
        names = [f"--{name}" for name in (field.name, *field.metadata["aliases"])]
        assert flags[field.name].option_strings == names
        assert flags[field.name].help.startswith(field.metadata["help"])


def test_a_run_keeps_what_it_is_and_not_where_it_lies_or_how_it_was_called():
    assert {"problems", "random_seed", "train_steps", "best_metric", "left_out"} <= set(KEPT)
    assert not {"data_dir", "output_dir", "hparams", "dry_run", "schedule", "num_workers"} & set(KEPT)
    assert set(KEPT) < set(BOUND_BY_GIN) and not {"gin_file", "check", "schedule"} & set(BOUND_BY_GIN)


def test_flags_of_a_configuration_are_those_that_differ_from_the_defaults(tmp_path):
    config = RunConfig(
        problems="image_shapes,parsing_grammar",
        hparams_set="multimodel_demo",
        hparams={"dropout": 0.2, "batch_size": 64},
        output_dir=str(tmp_path),
        summaries=False,
        gin_param=("run.train_steps = 3", "run.eval_steps = 2"),
    )
    assert flags_of(config) == [
        "--problems=image_shapes,parsing_grammar",
        "--hparams_set=multimodel_demo",
        "--hparams=dropout=0.2,batch_size=64",
        f"--output_dir={tmp_path}",
        "--summaries=False",
        "--gin_param=run.train_steps = 3",
        "--gin_param=run.eval_steps = 2",
    ]
    again = parse_options([*flags_of(config), f"--data_dir={tmp_path}"]).config
    assert (again.train_steps, again.eval_steps) == (3, 2)
    bound = {"train_steps": 3, "eval_steps": 2, "data_dir": tmp_path}
    assert again == RunConfig(**{field.name: getattr(config, field.name) for field in fields(RunConfig)} | bound)


def test_paths_and_names_may_be_given_as_text_and_numbers_as_whole_ones(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    config = RunConfig(problems="a-b,c", data_dir="~/data", save_checkpoints_secs=60, gin_file="a-b.gin")
    assert config.problems == ("a", "b", "c") and config.gin_file == ("a-b.gin",)
    assert config.data_dir == Path("/home/ada/data")
    assert config.save_checkpoints_secs == 60.0 and type(config.save_checkpoints_secs) is float


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"train_steps": "7"}, "--train_steps takes a whole number; received '7'."),
        ({"train_steps": True}, "--train_steps takes a whole number; received True."),
        ({"generate_data": 1}, "--generate_data takes true or false; received 1."),
        ({"problems": 3}, "--problems takes texts; received 3."),
        ({"train_steps": -1}, "--train_steps is a whole number from 0 up; received -1."),
        ({"num_workers": 0}, "--num_workers is a whole number from 1 up; received 0."),
        ({"eval_steps": 0}, "--eval_steps=0 evaluates nothing; give 1 or more batches, or -1 for the whole dev set."),
        ({"eval_early_stopping_steps": 3}, "--eval_early_stopping_steps waits for a metric to improve: give "),
        ({"verify": True}, "--verify belongs to --check: give both, or t2t-mm-datagen --verify."),
        ({"schedule": "trian"}, "No schedule is named 'trian'. Did you mean 'train'?"),
        ({"schedule": "train", "best_metric": "a/b"}, "--best_metric=a/b chooses among evaluations, and "),
    ],
)
def test_a_value_of_another_type_or_out_of_bounds_is_refused_in_a_sentence(values, sentence):
    with pytest.raises(UserError) as caught:
        RunConfig(**values)
    assert str(caught.value).startswith(sentence)


def test_a_configuration_is_kept_as_json_and_read_back(tmp_path):
    config = RunConfig(problems=("a", "b"), warm_start_from=tmp_path, random_seed=3, summaries=False)
    kept = json.loads(json.dumps(run_directory._kept(config)))
    assert RunConfig(**kept) == config
