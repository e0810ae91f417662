"""The configuration of the new run, and refused requests."""

from dataclasses import replace

import numpy as np
import pytest

from t2t_mm.errors import UnknownName, UserError
from t2t_mm.run_tools.surgery.operations import Trained, add, changed_hparams, drop, extract, with_changes
from t2t_mm.run_tools.trained_run import open_run


def test_dropping_removes_the_problem_and_the_files_that_no_other_problem_needs(joint):
    without = drop(joint, ["last"])
    assert list(without.problems) == ["capitals", "first"] and without.files == joint.config.files
    alone = drop(joint, ["last", "first"])
    assert list(alone.problems) == list(alone.target_ratios) == ["capitals"]
    assert list(alone.files) == ["vocab.letters.model"]


def test_fingerprints_of_the_data_are_added_and_dropped_with_their_problem(joint, letters):
    known = {split: one for name in ("capitals", "last") for split, one in letters[name].fingerprints.items()}
    run = replace(joint, config=replace(joint.config, records=known))
    without = drop(run, ["last"])
    assert without.records == dict(letters["capitals"].fingerprints) and len(without.records) == 2
    assert add(replace(run, config=without), {"last": letters["last"]}).records == known


def test_dropping_an_unknown_problem_or_all_is_refused(joint):
    with pytest.raises(UnknownName, match="No problem of .*run is named 'frist'. Did you mean 'first'"):
        drop(joint, ["frist"])
    with pytest.raises(UserError, match="Without capitals, first, last no problem of .*run would be left"):
        drop(joint, ["capitals", "first", "last"])


def test_adding_a_problem_of_the_run_or_of_another_vocabulary_is_refused(joint, letters):
    with pytest.raises(UserError, match="has learnt first already"):
        add(joint, {"first": letters["first"]})
    fewer = replace(joint, config=drop(joint, ["last"]))
    other = replace(letters["last"].manifest, fingerprints={**letters["last"].manifest.fingerprints})
    other.fingerprints["vocab.letters.model"] = "0123456789abcdef"
    with pytest.raises(
        UserError, match=r"made with another vocab\.letters\.model than .*: its fingerprint is 0123456789ab"
    ):
        add(fewer, {"last": replace(letters["last"], manifest=other)})


def test_a_checkpoint_with_only_weights_is_refused(joint):
    with pytest.raises(UserError, match="averaged.safetensors contains only weights"):
        replace(joint, checkpoint=joint.folder / "averaged.safetensors", state={"averaged": []})
    assert Trained(joint.folder, joint.config, joint.checkpoint, joint.arrays, joint.state).step == 40


def test_extracting_names_the_parts_left_out_and_adding_restores_those_that_are_read(joint, letters):
    net = open_run(joint.folder).decoder.net
    experts = {"net/body/encoder/experts": np.array([0, 1, 2, 5])}
    alone = extract(joint, net, letters["first"], experts)
    assert alone.run_config.left_out == ("body/decoder", "body/mixer", "label_letters/grid", "text_letters/score")
    changed = changed_hparams(joint.config.hparams, alone.hparams)
    assert changed == {"MultiModelHparams.experts": 4, "MultiModelHparams.decoder_experts": 6}
    back = add(replace(joint, config=alone), {"capitals": letters["capitals"]})
    assert back.run_config.left_out == ("label_letters/grid",)
    assert drop(replace(joint, config=back), ["first"]).run_config.left_out == ()


def test_rates_and_frozen_parts_that_the_new_run_does_not_have_are_removed(joint):
    rates = "problem_rates=capitals:1 first:2 last:3,problem_schedule=linear @0 first:1 last:1 @9 uniform"
    hparams = joint.config.hparams.override(f"{rates},freeze=text_* label_letters")
    config = replace(drop(joint, ["first"]), hparams=hparams)
    changed, notes = with_changes(config, "learning_rate=2", ["net/text_letters/embed/rows", "net/body/x"])
    training = changed.hparams.training
    assert training.problem_rates == "capitals:1 last:3"
    assert training.problem_schedule == "linear @0 last:1 @9 uniform"
    assert (training.freeze, training.learning_rate) == ("text_*", 2.0)
    assert notes == [
        "problem_rates: first:2 is removed, since the new run does not have it.",
        "problem_schedule: first:1 is removed, since the new run does not have it.",
        "freeze: label_letters is removed, since the new run does not have it.",
    ]
    with pytest.raises(UserError, match="--hparams=hidden_size=16: only training hparams can be changed"):
        with_changes(config, "hidden_size=16", ["net/body/x"])


def test_points_of_a_schedule_without_problems_are_removed(joint):
    config = drop(joint, ["first"])

    def left(schedule):
        hparams = joint.config.hparams.override(f"problem_choice=scheduled,problem_schedule={schedule}")
        changed, notes = with_changes(replace(config, hparams=hparams), "", ["net/body/x"])
        return changed.hparams.training.problem_choice, changed.hparams.training.problem_schedule, notes

    removed = "is removed, since the new run does not have it."
    assert left("step @0 first:1 @9 uniform") == (
        "scheduled",
        "step @9 uniform",
        [f"problem_schedule: @0 first:1 {removed}"],
    )
    assert left("linear @0 last:1 @5 first:2 last:0 capitals:0.0 @9 first:1 last:1") == (
        "scheduled",
        "linear @0 last:1 @9 last:1",
        [f"problem_schedule: @5 first:2 last:0 capitals:0.0 first:1 {removed}"],
    )
    assert left("step @3 first:1") == (
        "uniform",
        "",
        [
            f"problem_schedule: @3 first:1 {removed}",
            "problem_choice: uniform, not scheduled, since no point of problem_schedule is left.",
        ],
    )
    assert left("step @0 last:1 @9 uniform") == ("scheduled", "step @0 last:1 @9 uniform", [])


def test_a_run_of_one_problem_has_no_rates(joint):
    hparams = joint.config.hparams.override("problem_choice=scheduled,problem_schedule=step @0 first:1 @9 uniform")
    alone = replace(drop(joint, ["first", "last"]), hparams=hparams)
    changed, notes = with_changes(alone, "", ["net/body/x"])
    training = changed.hparams.training
    assert (training.problem_choice, training.problem_schedule) == ("uniform", "")
    assert notes == ["problem_choice: uniform, not scheduled, since one problem is left."]
