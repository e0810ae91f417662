"""The configuration of the new run, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from t2t_mm.errors import UnknownName, UserError
from t2t_mm.run_tools.surgery.operations import Trained, add, changed_hparams, drop, extract, with_changes
from t2t_mm.run_tools.trained_run import open_run


def test_dropping_takes_the_problem_and_the_files_that_nobody_else_needs(joint):
    without = drop(joint, ["last"])
    assert list(without.problems) == ["capitals", "first"] and without.files == joint.config.files
    alone = drop(joint, ["last", "first"])
    assert list(alone.problems) == list(alone.target_ratios) == ["capitals"]
    assert list(alone.files) == ["vocab.letters.model"]


def test_what_is_known_of_the_data_comes_and_goes_with_its_problem(joint, letters):
    known = {split: one for name in ("capitals", "last") for split, one in letters[name].fingerprints.items()}
    run = replace(joint, config=replace(joint.config, records=known))
    without = drop(run, ["last"])
    assert without.records == dict(letters["capitals"].fingerprints) and len(without.records) == 2
    assert add(replace(run, config=without), {"last": letters["last"]}).records == known


def test_what_cannot_be_dropped_is_said(joint):
    with pytest.raises(UnknownName, match="No problem of .*run is named 'frist'. Did you mean 'first'"):
        drop(joint, ["frist"])
    with pytest.raises(UserError, match="Without capitals, first, last no problem would be left of"):
        drop(joint, ["capitals", "first", "last"])


def test_what_cannot_be_added_is_said(joint, letters):
    with pytest.raises(UserError, match="has learnt first already"):
        add(joint, {"first": letters["first"]})
    fewer = replace(joint, config=drop(joint, ["last"]))
    other = replace(letters["last"].manifest, fingerprints={**letters["last"].manifest.fingerprints})
    other.fingerprints["vocab.letters.model"] = "0123456789abcdef"
    with pytest.raises(UserError, match=r"stands on another vocab\.letters\.model than .*: fingerprint 0123456789ab"):
        add(fewer, {"last": replace(letters["last"], manifest=other)})


def test_a_checkpoint_of_weights_alone_is_no_run_to_go_on_with(joint):
    with pytest.raises(UserError, match="averaged.safetensors holds weights alone"):
        replace(joint, checkpoint=joint.folder / "averaged.safetensors", state={"averaged": []})
    assert Trained(joint.folder, joint.config, joint.checkpoint, joint.arrays, joint.state).step == 40


def test_extracting_names_what_is_left_out_and_adding_takes_back_what_is_read(joint, letters):
    net = open_run(joint.folder).decoder.net
    experts = {"net/body/encoder/experts": np.array([0, 1, 2, 5])}
    alone = extract(joint, net, letters["first"], experts)
    assert alone.run_config.left_out == ("body/decoder", "body/mixer", "label_letters/grid", "text_letters/score")
    changed = changed_hparams(joint.config.hparams, alone.hparams)
    assert changed == {"MultiModelHparams.experts": 4, "MultiModelHparams.decoder_experts": 6}
    back = add(replace(joint, config=alone), {"capitals": letters["capitals"]})
    assert back.run_config.left_out == ("label_letters/grid",)
    assert drop(replace(joint, config=back), ["first"]).run_config.left_out == ()


def test_rates_and_frozen_parts_that_name_nothing_any_more_go(joint):
    rates = "problem_rates=capitals:1 first:2 last:3,problem_schedule=linear @0 first:1 last:1 @9 uniform"
    hparams = joint.config.hparams.override(f"{rates},freeze=text_* label_letters")
    config = replace(drop(joint, ["first"]), hparams=hparams)
    changed, notes = with_changes(config, "learning_rate=2", ["net/text_letters/embed/rows", "net/body/x"])
    training = changed.hparams.training
    assert training.problem_rates == "capitals:1 last:3"
    assert training.problem_schedule == "linear @0 last:1 @9 uniform"
    assert (training.freeze, training.learning_rate) == ("text_*", 2.0)
    assert notes == [
        "problem_rates: first:2 is left out, since it names nothing here.",
        "problem_schedule: first:1 is left out, since it names nothing here.",
        "freeze: label_letters is left out, since it names nothing here.",
    ]
    with pytest.raises(UserError, match="--hparams=hidden_size=16: of a trained run only training hparams"):
        with_changes(config, "hidden_size=16", ["net/body/x"])


def test_points_of_a_schedule_whose_problems_are_gone_go_with_them(joint):
    config = drop(joint, ["first"])

    def left(schedule):
        hparams = joint.config.hparams.override(f"problem_choice=scheduled,problem_schedule={schedule}")
        changed, notes = with_changes(replace(config, hparams=hparams), "", ["net/body/x"])
        return changed.hparams.training.problem_choice, changed.hparams.training.problem_schedule, notes

    gone = "is left out, since it names nothing here."
    assert left("step @0 first:1 @9 uniform") == (
        "scheduled",
        "step @9 uniform",
        [f"problem_schedule: @0 first:1 {gone}"],
    )
    assert left("linear @0 last:1 @5 first:2 last:0 capitals:0.0 @9 first:1 last:1") == (
        "scheduled",
        "linear @0 last:1 @9 last:1",
        [f"problem_schedule: @5 first:2 last:0 capitals:0.0 first:1 {gone}"],
    )
    assert left("step @3 first:1") == (
        "uniform",
        "",
        [
            f"problem_schedule: @3 first:1 {gone}",
            "problem_choice: uniform, not scheduled, since no point of problem_schedule is left.",
        ],
    )
    assert left("step @0 last:1 @9 uniform") == ("scheduled", "step @0 last:1 @9 uniform", [])


def test_one_problem_needs_no_rates(joint):
    hparams = joint.config.hparams.override("problem_choice=scheduled,problem_schedule=step @0 first:1 @9 uniform")
    alone = replace(drop(joint, ["first", "last"]), hparams=hparams)
    changed, notes = with_changes(alone, "", ["net/body/x"])
    training = changed.hparams.training
    assert (training.problem_choice, training.problem_schedule) == ("uniform", "")
    assert notes == ["problem_choice: uniform, not scheduled, since one problem is left."]
