"""Raw examples to records."""

import math
import os

import numpy as np
import pytest

from t2t_mm.data.datagen import generate as generate_module
from t2t_mm.data.datagen import workers
from t2t_mm.data.datagen.generate import baseline, generate, inspect
from t2t_mm.data.features.label import Label
from t2t_mm.data.features.text import LineCodec, Text
from t2t_mm.data.input.generated_problem import open_problem
from t2t_mm.data.input.records import Manifest
from t2t_mm.errors import UserError
from t2t_mm.feature import Codec

PAIRS = [(f"the dog sees {i} cats", f"der Hund sieht {i} Katzen") for i in range(60)]
ROWS = {"train": PAIRS[:50], "dev": PAIRS[50:]}
LETTERS = {"train": [("a line", "b"), ("a line", "a"), ("a line", "b")], "dev": [("a line", "b"), ("a line", "a")]}


def run(tmp_path, how=None, **problems):
    report_lines = []
    generate(problems, tmp_path / "data", tmp_path, report=report_lines.append, **(how or {}))
    return report_lines


def shards(tmp_path, split="train"):
    return [(shard.examples, shard.sha256) for shard in Manifest.read(tmp_path / "data" / "cats").splits[split].shards]


def test_examples_spread_over_a_split_come_back_from_the_records(make_ready):
    ready = make_ready(ROWS)
    report_lines = []
    for index in (0, 9):
        inputs, targets = ROWS["dev"][index]
        length = {line: len(ready.codecs["inputs"].vocabulary.encode(line)) + 1 for line in (inputs, targets)}
        report_lines.append(f"made dev dev/{index}")
        report_lines += [f"  inputs ({length[inputs]}): {inputs}", f"  targets ({length[targets]}): {targets}"]
    assert inspect(ready, "dev", count=2) == report_lines


def test_the_manifest_counts_and_fingerprints(make_ready, tmp_path):
    manifest = make_ready(ROWS).manifest
    assert manifest.problem == "made" and manifest.features == ("inputs", "targets")
    assert {name: split.examples for name, split in manifest.splits.items()} == {"train": 50, "dev": 10}
    assert len(manifest.splits["train"].shards) == 4 and len(manifest.splits["dev"].shards) == 1
    assert list(manifest.fingerprints) == ["vocab.subwords.model"]
    assert sorted(os.listdir(tmp_path / "data")) == ["made", "vocab.subwords.model"]


def test_problems_of_a_call_share_one_vocabulary_made_from_all(tmp_path, make_problem):
    rows = {"train": [("eins zwei", "one two")] * 9, "dev": [("zwei", "two")]}
    report_lines = run(tmp_path, cats=make_problem(ROWS), numbers=make_problem(rows))
    assert "of cats, numbers" in report_lines[0]
    vocabulary = Text().open(tmp_path / "data").vocabulary
    assert vocabulary.bytes_and_unknown(vocabulary.encode("zwei one Hund")) == (0, 0)


def test_a_later_call_reuses_the_vocabulary_and_says_how_it_fits(tmp_path, make_problem):
    run(tmp_path, cats=make_problem(ROWS))
    report_lines = run(tmp_path, chinese=make_problem({"train": [("\u4e2d", "\u6587")], "dev": [("\u6587", "\u4e2d")]}))
    assert "is used for chinese" in report_lines[0] and "are bytes" in report_lines[0]


def test_existing_data_is_left_as_it_is(tmp_path, make_problem):
    problem = make_problem(ROWS)
    run(tmp_path, cats=problem)
    before = (tmp_path / "data" / "cats" / "manifest.json").stat().st_mtime_ns
    reads = len(problem.source.reads)
    assert run(tmp_path, cats=problem) == [f"cats: exists already, in {tmp_path / 'data' / 'cats'}."]
    assert (tmp_path / "data" / "cats" / "manifest.json").stat().st_mtime_ns == before
    assert len(problem.source.reads) == reads


def test_equal_seeds_give_equal_records(tmp_path, make_problem):
    run(tmp_path / "a", cats=make_problem(ROWS)), run(tmp_path / "b", cats=make_problem(ROWS))
    first, second = (Manifest.read(tmp_path / side / "data" / "cats") for side in "ab")
    assert first == second


def test_at_most_max_cases_of_each_split_are_taken_and_it_is_said_later(tmp_path, make_problem):
    problem = make_problem(ROWS)
    run(tmp_path, {"max_cases": 7}, cats=problem)
    manifest = Manifest.read(tmp_path / "data" / "cats")
    assert {name: split.examples for name, split in manifest.splits.items()} == {"train": 7, "dev": 7}
    ready = open_problem("cats", problem, tmp_path / "data")
    assert inspect(ready, "train", count=7)[-3:][0] == "cats train train/6"
    vocabulary = Text().open(tmp_path / "data").vocabulary
    assert run(tmp_path, cats=problem)[0].endswith(f"{tmp_path / 'data' / 'cats'} (of --max_cases=7).")
    assert vocabulary.bytes_and_unknown(vocabulary.encode("9"))[0] > 0  # no line of the first seven has it


@pytest.mark.parametrize(("requested", "examples"), [(0, [12, 13, 12, 13]), (3, [16, 17, 17]), (60, [0, 1])])
def test_the_training_split_has_as_many_files_as_asked_for(tmp_path, make_problem, requested, examples):
    problem = make_problem(ROWS)
    run(tmp_path, {"num_shards": requested}, cats=problem)
    assert [count for count, _ in shards(tmp_path)][: len(examples)] == examples
    assert len(shards(tmp_path)) == (requested or 4) and len(shards(tmp_path, "dev")) == 1
    ready = open_problem("cats", problem, tmp_path / "data")
    assert [line.split("/")[-1] for line in inspect(ready, "train", count=50)[::3]] == [str(i) for i in range(50)]


def test_a_large_training_split_has_more_files(tmp_path, make_problem, monkeypatch):
    monkeypatch.setattr(generate_module, "EXAMPLES_A_SHARD", 5)
    run(tmp_path, cats=make_problem(ROWS))
    assert len(shards(tmp_path)) == 10 and len(shards(tmp_path, "dev")) == 1


def test_after_an_interruption_finished_shards_are_not_made_again_and_the_bytes_are_the_same(tmp_path, make_problem):
    run(tmp_path / "whole", cats=make_problem(ROWS))
    problem = make_problem(ROWS)
    taken = []
    examples_from = problem.source.examples_from

    def interrupted(split, tmp_dir, start):
        for example in examples_from(split, tmp_dir, start):
            taken.append(example.id)
            if len(taken) == 30:
                raise KeyboardInterrupt
            yield example

    problem.source.examples_from = interrupted
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, cats=problem)
    assert sorted(os.listdir(tmp_path / "data")) == ["cats.partial", "vocab.subwords.model"]
    taken.clear()
    problem.source.examples_from = lambda *args: (taken.append(e.id) or e for e in examples_from(*args))
    report_lines = run(tmp_path, cats=problem)
    assert "cats: resuming; 2 of 5 files are finished." in report_lines
    assert taken[0] == "train/25" and len(taken) == 35  # the third shard was cut off at its fifth example
    assert sorted(os.listdir(tmp_path / "data")) == ["cats", "vocab.subwords.model"]
    first, second = (Manifest.read(root / "data" / "cats") for root in (tmp_path / "whole", tmp_path))
    assert first == second


def test_another_seed_or_number_of_cases_begins_anew(tmp_path, make_problem):
    problem = make_problem(ROWS)
    examples_from = problem.source.examples_from

    def interrupted(split, tmp_dir, start):
        if split == "dev":
            raise KeyboardInterrupt
        return examples_from(split, tmp_dir, start)

    problem.source.examples_from = interrupted
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, cats=problem)
    problem.source.examples_from = examples_from
    report_lines = run(tmp_path, {"num_shards": 2}, cats=problem)
    assert not [line for line in report_lines if "resuming" in line]


def test_a_source_that_gives_fewer_examples_than_it_counts_is_refused(tmp_path, make_problem):
    problem = make_problem(ROWS)
    problem.source.count = lambda split, tmp_dir: 51
    with pytest.raises(UserError, match="counts 51 examples but yields fewer"):
        run(tmp_path, cats=problem)


def test_notes_and_downloads_of_a_source_are_reported(tmp_path, make_problem):
    problem = make_problem(ROWS)
    problem.source.notes = lambda tmp_dir: ("half of it is missing.",)
    problem.source.present = lambda tmp_dir: False
    problem.source.download_bytes = lambda tmp_dir: 1_234_567_890
    report_lines = run(tmp_path, {"download": True}, cats=problem)
    assert report_lines[:2] == [f"cats: downloading its corpus to {tmp_path}, 1.23 GB.", "cats: half of it is missing."]


def test_empty_and_endless_examples_are_left_out_counted_and_said(tmp_path, make_problem, monkeypatch):
    monkeypatch.setattr(workers, "LONGEST", 30)
    rows = {"train": [*PAIRS, ("", "nichts"), ("nothing", " "), ("x y z " * 20, "viel")], "dev": PAIRS[:5]}
    report_lines = run(tmp_path, cats=make_problem(rows))
    manifest = Manifest.read(tmp_path / "data" / "cats")
    assert manifest.splits["train"].dropped == {"empty": 2, "longer than 30 ids": 1}
    assert manifest.splits["train"].examples == 60
    assert "left out: 2 empty, 1 longer than 30 ids" in report_lines[1]


def test_the_baseline_is_dev_under_the_smoothed_unigrams_of_train(make_ready):
    ready = make_ready(LETTERS, targets=Label("letters"))
    # Train has a once and b twice; each count is raised by one: a 2/5, b 3/5. Dev has one of each.
    assert ready.manifest.baseline == pytest.approx(
        {"nats_per_token": -(math.log(2 / 5) + math.log(3 / 5)) / 2, "accuracy": 0.5}
    )


def test_the_baseline_of_text_counts_its_ends(make_ready):
    ready = make_ready({"train": [("x", "a"), ("x", "a")], "dev": [("x", "a")]})
    size = ready.codecs["targets"].port.size
    a_length = ready.codecs["targets"].length(ready.codecs["targets"].store("a"))
    each = -math.log((2 + 1) / (2 * a_length + size))  # every id of "a", its end among them, came twice
    assert ready.manifest.baseline == pytest.approx({"nats_per_token": each, "accuracy": 1 / a_length})


def test_targets_without_symbols_have_no_baseline():
    assert baseline(np.zeros(0, int), np.zeros(0, int)) == {}


def test_an_empty_split_is_refused_and_nothing_stays(tmp_path, make_problem):
    with pytest.raises(UserError, match="The split 'dev' of cats is empty"):
        run(tmp_path, cats=make_problem({"train": PAIRS, "dev": []}))
    with pytest.raises(UserError, match="is empty .* 1 empty"):
        run(tmp_path, cats=make_problem({"train": PAIRS, "dev": [(" ", "x")]}))
    assert os.listdir(tmp_path / "data") == ["vocab.subwords.model"]


def test_a_value_that_cannot_be_stored_is_named_and_nothing_stays(tmp_path, make_problem):
    rows = {"train": LETTERS["train"], "dev": [("a line", "z")]}
    with pytest.raises(UserError, match="Example dev/0 can't be stored: No class is named 'z'"):
        run(tmp_path, letters=make_problem(rows, targets=Label("letters")))
    assert not [name for name in os.listdir(tmp_path / "data") if name.startswith("letters")]


def test_classes_that_the_source_knows_spare_reading_its_examples(tmp_path, make_problem):
    problem = make_problem(LETTERS, inputs=None, targets=Label("letters"))
    problem.source.known = ("c", "a", "b")
    run(tmp_path, letters=problem)
    assert (tmp_path / "data" / "classes.letters.txt").read_text() == "a\nb\nc\n"
    assert problem.source.reads == ["train", "dev"]  # for the records alone


def test_a_folder_in_the_way_is_named(tmp_path, make_problem):
    (tmp_path / "data" / "cats").mkdir(parents=True)
    with pytest.raises(UserError, match="cats exists but has no manifest.json"):
        run(tmp_path, cats=make_problem(ROWS))


def test_data_of_another_vocabulary_is_refused(tmp_path, make_problem):
    problem = make_problem(ROWS)
    run(tmp_path, cats=problem)
    (tmp_path / "data" / "vocab.subwords.model").unlink()
    with pytest.raises(UserError, match=r"needs .*vocab\.subwords\.model, which does not exist"):
        run(tmp_path, cats=problem)
    run(tmp_path, numbers=make_problem({"train": [("one", "eins")], "dev": [("one", "eins")]}))
    for ask in (lambda: run(tmp_path, cats=problem), lambda: open_problem("cats", problem, tmp_path / "data")):
        with pytest.raises(UserError, match=r"cats was not generated with this .*vocab\.subwords\.model: fingerprint"):
            ask()


def test_a_problem_without_inputs_is_generated(make_ready):
    ready = make_ready(ROWS, inputs=None)
    assert ready.manifest.features == ("targets",)
    assert inspect(ready, "train", count=1)[1].endswith("der Hund sieht 0 Katzen")


def test_records_are_the_same_whether_texts_are_stored_one_by_one_or_many_at_once(tmp_path, make_problem, monkeypatch):
    rows = {split: [*pairs, (" ", "blank"), ("a\u2581b", "\u2581")] for split, pairs in ROWS.items()}
    run(tmp_path / "many", cats=make_problem(rows))
    monkeypatch.setattr(LineCodec, "stored_at_once", 1)
    monkeypatch.setattr(LineCodec, "store_all", Codec.store_all)
    run(tmp_path / "one", cats=make_problem(rows))
    first, second = (Manifest.read(tmp_path / side / "data" / "cats") for side in ("many", "one"))
    assert first == second and first.splits["train"].dropped == {"empty": 1}


def test_of_many_the_first_value_that_cannot_be_stored_is_named(tmp_path, make_problem):
    labels = [("a", "red"), ("b", "blue"), ("c", "grey"), ("d", "pink")]
    features = {"targets": Label("colours", names=("red", "blue"))}
    with pytest.raises(UserError, match="Example train/2 can't be stored: No class is named 'grey'"):
        run(tmp_path, cats=make_problem({"train": labels, "dev": labels[:2]}, **features))
