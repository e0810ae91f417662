"""Flags that several commands have, flags of T2T that have a remedy, and the listing of --registry_help."""

import argparse
import json

import pytest

from t2t_mm.bin.common_flags import PARSERS, parse, parsers
from t2t_mm.bin.datagen import parser
from t2t_mm.bin.t2t_flags import REPLACED, remedy
from t2t_mm.errors import UserError
from t2t_mm.run_config import RunConfig


def test_the_table_of_parsers_names_each_command():
    assert [parser.prog for parser in parsers()] == list(PARSERS)


def test_no_flag_of_the_commands_has_a_remedy():
    ours = {flag.lstrip("-") for parser in parsers() for flag in parser.flags()}
    assert not {flag: remedy(flag) for flag in ours if remedy(flag)}


def test_remedies_name_only_flags_that_exist():
    ours = {flag for parser in parsers() for flag in parser.flags()}
    named = {
        word.strip(",;.:").partition("=")[0] for text in REPLACED.values() for word in text.split() if word[:2] == "--"
    }
    assert named <= ours and named


def test_a_flag_of_several_commands_has_one_default():
    for name in ("data_dir", "tmp_dir", "t2t_usr_dir", "registry_help", "format"):
        having = [parser for parser in parsers() if f"--{name}" in parser.flags()]
        derived = {
            "data_dir": None,
            "tmp_dir": RunConfig().tmp_dir,
        }  # of the trainer
        defaults = [parser.get_default(name) for parser in having]
        defaults = [derived[name] if default is argparse.SUPPRESS else default for default in defaults]
        assert len(defaults) >= 2 and all(default == defaults[0] for default in defaults)


def listed(capsys, *argv):
    with pytest.raises(SystemExit) as caught:
        parse(parser(), argv)
    assert not caught.value.code
    return capsys.readouterr().out


def test_the_registry_is_listed_for_people(capsys):
    lines = listed(capsys, "--registry_help").splitlines()
    heads = [line for line in lines if line and not line.startswith(" ")]
    kinds = ("problems", "modalities", "models", "hparams_sets", "hparams_ranges", "decoded_metrics", "runs")
    assert heads == [f"{kind}:" for kind in kinds]
    assert any(line.startswith("  image_cifar10 ") and len(line.split()) > 3 for line in lines)


def test_the_registry_is_listed_for_programs_too(capsys):
    catalogue = json.loads(listed(capsys, "--registry_help=cifar", "--format=json"))
    assert list(catalogue) == ["problems"] and list(catalogue["problems"]) == ["image_cifar10"]
    entry = catalogue["problems"]["image_cifar10"]
    assert entry["defined_in"] == "t2t_mm.problems.cifar10:ImageCifar10" and entry["summary"]


def test_a_filter_may_name_a_registry(capsys):
    assert list(json.loads(listed(capsys, "--registry_help=hparams_sets", "--format=json"))) == ["hparams_sets"]


def test_a_filter_that_matches_nothing_is_an_error():
    with pytest.raises(UserError, match="no registered name contains 'zebra'"):
        parse(parser(), ["--registry_help=zebra"])
