"""Several right answers to one input."""

import numpy as np
import pytest

from t2t_mm.data.features.references import References
from t2t_mm.data.features.text import Text
from t2t_mm.data.input.batches import Batches
from t2t_mm.errors import UserError
from t2t_mm.hparam_set import DataHparams

CAPTIONS = ("a dog runs", "a brown dog is running over the grass", "the dog")
ROWS = {
    split: [
        (f"image {n}", (f"a dog of {n} years", f"a dog that is {n} years old", "an old dog")[: 1 + n % 3])
        for n in numbers
    ]
    for split, numbers in {"train": range(60), "dev": range(60, 72)}.items()
}


@pytest.fixture
def codec(tmp_path):
    feature = References()
    feature.prepare(tmp_path, (feature,), {"dogs": [feature.sample(CAPTIONS)] * 50}, 0, lambda line: None)
    return feature.open(tmp_path)


def test_all_lines_are_kept_and_come_back(codec):
    stored = codec.store(CAPTIONS)
    assert codec.value(stored) == CAPTIONS
    assert [codec.value(one) for one in codec.references(stored)] == [(line,) for line in CAPTIONS]


def test_a_line_that_is_begun_has_no_end(codec):
    complete = codec.load(codec.store(("the dog",)), DataHparams(), None)
    beginning = codec.load(codec.store_beginning("the dog"), DataHparams(), None)
    np.testing.assert_array_equal(beginning, complete[:-1])
    assert len(codec.load(codec.store_beginning(""), DataHparams(), None)) == 0


def test_the_length_is_that_of_the_longest_line_with_its_end(codec):
    lengths = [codec.length(codec.store([line])) for line in CAPTIONS]
    assert codec.length(codec.store(CAPTIONS)) == max(lengths) == lengths[1]


def test_training_draws_any_line_and_nothing_else_does(codec):
    stored, hparams = codec.store(CAPTIONS), DataHparams()
    assert codec.show(codec.load(stored, hparams, None)) == CAPTIONS[0]
    drawn = [codec.show(codec.load(stored, hparams, np.random.default_rng(seed))) for seed in range(30)]
    assert set(drawn) == set(CAPTIONS)


def test_the_unigrams_are_those_of_all_lines(codec):
    stored = codec.store(CAPTIONS)
    assert codec.symbols(stored).tolist() == [
        id for one in codec.references(stored) for id in codec.load(one, DataHparams(), None)
    ]


def test_blank_lines_are_left_out_and_nothing_but_blank_lines_is_refused(codec):
    assert codec.store(("", "a dog", "  ")) == codec.store(("a dog",))
    with pytest.raises(UserError, match="All references are blank; at least one line must have text."):
        codec.store(("", " "))
    with pytest.raises(UserError, match="References must be one or more lines of text; received str: 'a dog'"):
        codec.store("a dog")
    with pytest.raises(UserError, match="Expected a line of text; received int: 7"):
        codec.store(("a dog", 7))


def test_references_share_the_net_and_the_file_of_plain_text(codec, tmp_path):
    assert codec.port == Text().open(tmp_path).port
    assert References().files() == Text().files()


@pytest.fixture
def ready(make_ready):
    return make_ready(ROWS, targets=References())


def test_in_training_an_example_is_one_row_and_its_line_changes_with_the_epoch(ready):
    batches = Batches(ready, "train", DataHparams(batch_size=200), seed=1, training=True)
    seen = {}
    for position in range(6 * len(batches)):
        batch = batches.batch(position)
        assert len(set(batch.ids)) == len(batch.ids)
        for row, id in enumerate(batch.ids):
            ids_L = batch.arrays["targets"]["ids"][row]
            seen.setdefault(id, set()).add(ready.codecs["targets"].show(ids_L))
    assert all(lines <= set(ROWS["train"][int(id.removeprefix("train/"))][1]) for id, lines in seen.items())
    assert sum(map(len, seen.values())) > 1.6 * len(seen)  # 2 lines an example on average


def test_in_evaluation_every_right_answer_has_a_row_beside_the_same_input(ready):
    batches = Batches(ready, "dev", DataHparams(batch_size=100), seed=1, training=False)
    actual = {}
    for batch in batches.stream():
        inputs, targets = ready.codecs["inputs"], ready.codecs["targets"]
        for row, id in enumerate(batch.ids):
            number = int(id.removeprefix("dev/"))
            assert inputs.show(batch.arrays["inputs"]["ids"][row]) == ROWS["dev"][number][0]
            actual.setdefault(number, []).append(targets.show(batch.arrays["targets"]["ids"][row]))
        starts = [row for row, id in enumerate(batch.ids) if row == 0 or id != batch.ids[row - 1]]
        assert len(starts) == len(set(batch.ids))  # the rows of an example stand together
    assert {number: tuple(lines) for number, lines in actual.items()} == {
        number: lines for number, (_, lines) in enumerate(ROWS["dev"])
    }


def test_each_line_counts_by_itself_when_a_vocabulary_is_made(ready):
    vocabulary = ready.codecs["targets"].vocabulary
    assert not any("\n" in vocabulary.decode([id]) for id in range(3 + 256, vocabulary.size))


def test_an_example_whose_every_line_is_blank_is_left_out_and_counted(make_ready):
    rows = {"train": [*ROWS["train"], ("nothing", ("", " "))], "dev": ROWS["dev"]}
    assert make_ready(rows, targets=References()).manifest.splits["train"].dropped == {"empty": 1}
