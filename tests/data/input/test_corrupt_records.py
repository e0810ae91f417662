"""Unreadable records: the run ends, or continues without them."""

import dataclasses
import io
import itertools

import numpy as np
import pytest
from PIL import Image as Pillow

from t2t_mm.data.features.image import Image
from t2t_mm.data.features.label import Label
from t2t_mm.data.input.batches import Batches
from t2t_mm.data.input.corrupt_records import CorruptRecord, Tolerance
from t2t_mm.errors import UserError
from t2t_mm.hparam_set import DataHparams

SKIP = DataHparams(batch_size=60, buckets=1, image_size=8, corrupt_record="skip")
STOP = dataclasses.replace(SKIP, corrupt_record="stop")
WORDS = ["one", "two", "three", "four"]


@pytest.fixture
def text(make_ready):
    rows = [(" ".join(WORDS[digit] for digit in divmod(number, 4)), WORDS[number % 4]) for number in range(16)]
    return make_ready({"train": rows, "dev": rows})


def shard(ready, split="train", number=0):
    return ready.folder / ready.manifest.splits[split].shards[number].file


def png(colour):
    file = io.BytesIO()
    Pillow.new("RGB", (8, 8), colour).save(file, "PNG")
    return file.getvalue()


def same(one, other):
    return (one.ids, one.corrupt) == (other.ids, other.corrupt) and all(
        (array == other.arrays[feature][name]).all()
        for feature, arrays in one.arrays.items()
        for name, array in arrays.items()
    )


def test_a_batch_has_an_empty_row_more_and_all_other_rows_are_as_they_were(text, flip):
    before = Batches(text, "train", SKIP, 1, training=True)
    complete = [before.batch(i) for i in range(len(before))]
    flip(shard(text), 2)
    batches = Batches(text, "train", SKIP, 1, training=True)
    for position, then in enumerate(complete):
        now = batches.batch(position)
        if "train/2" not in then.ids:
            assert same(now, then) and now.corrupt == ()
            continue
        assert [id for id in then.ids if id != "train/2"] == list(now.ids)
        (message,) = now.corrupt
        assert "Record 2 of 4 in " in message and "an example of made: Corrupted" in message
        for arrays, old in zip(now.arrays.values(), then.arrays.values(), strict=True):
            assert (
                arrays["ids"][: len(now.ids)] == np.delete(old["ids"], then.ids.index("train/2"), 0)[: len(now.ids)]
            ).all()
            assert (arrays["lengths"][len(now.ids) :] == 0).all() and arrays["ids"].shape == old["ids"].shape
    assert len(batches.corrupt) == 1


def test_a_run_that_goes_on_gets_the_batches_of_one_that_was_not_stopped(text, flip):
    flip(shard(text), 0)
    flip(shard(text, number=2), 3)
    few = dataclasses.replace(SKIP, batch_size=12)
    batches = Batches(text, "train", few, 1, training=True)
    walked = list(itertools.islice(batches.stream(), 2 * len(batches)))
    again = itertools.islice(Batches(text, "train", few, 1, training=True).stream(3), 2 * len(batches) - 3)
    assert all(same(one, other) for one, other in zip(walked[3:], again, strict=True))
    assert len({sentence for batch in walked for sentence in batch.corrupt}) == 2


def test_a_batch_of_which_nothing_is_left_takes_an_example_of_its_shape(text, flip):
    flip(shard(text), 0)
    single = dataclasses.replace(SKIP, batch_size=1)
    batches = Batches(text, "train", single, 1, training=True)
    taken = [batch for batch in map(batches.batch, range(16)) if batch.corrupt]
    assert [batch.ids for batch in taken] == [("train/1",)]


def test_an_evaluation_does_without_it_and_counts_no_example_twice(text, flip):
    flip(shard(text, "dev"), 5)
    single = dataclasses.replace(SKIP, batch_size=1)
    for hparams in (SKIP, single):
        batches = Batches(text, "dev", hparams, 1, training=False)
        actual = list(batches.stream())
        assert sorted(id for batch in actual for id in batch.ids) == sorted(f"dev/{i}" for i in range(16) if i != 5)
        assert len(batches.corrupt) == 1


def test_by_default_a_corrupt_record_ends_the_stream_with_a_sentence(text, flip):
    flip(shard(text), 1)
    batches = Batches(text, "train", STOP, 1, training=True)
    with pytest.raises(
        CorruptRecord, match="Record 1 of 4 in .*made/train-00000.* an example of made: .* hash mismatch"
    ):
        list(itertools.islice(batches.stream(), len(batches)))


def test_a_value_that_its_codec_cannot_take_is_corrupt_too(make_ready, monkeypatch):
    rows = [(png((40 * i, 0, 0)), "even" if i % 2 == 0 else "odd") for i in range(6)]
    ready = make_ready({"train": rows, "dev": rows}, name="images", inputs=Image(), targets=Label("parity"))
    load, broken = type(ready.codecs["inputs"]).load, rows[4][0]

    def cut(self, stored, *rest):
        return load(self, stored[:40] if stored == broken else stored, *rest)

    monkeypatch.setattr(type(ready.codecs["inputs"]), "load", cut)
    batch = Batches(ready, "train", SKIP, 1, training=True).batch(0)
    assert sorted(batch.ids) == ["train/0", "train/1", "train/2", "train/3", "train/5"]
    assert "an example of images: its inputs can't be read (" in batch.corrupt[0]
    with pytest.raises(CorruptRecord, match="its inputs can't be read"):
        Batches(ready, "train", STOP, 1, training=True).batch(0)


def test_another_policy_is_refused():
    with pytest.raises(UserError, match="No corrupt_record is named 'skipp'. Did you mean 'skip'"):
        DataHparams(corrupt_record="skipp")


def test_too_many_are_not_left_out(tmp_path):
    tolerance = Tolerance("skip", 2000)
    for place in (*range(20), 3):
        tolerance.leave_out(place, CorruptRecord(tmp_path / "a", place, 2000, "why"))
    with pytest.raises(
        UserError, match="21 of 2,000 examples can't be read, which is too many to leave out. The last one: Record 20"
    ):
        tolerance.leave_out(20, CorruptRecord(tmp_path / "a", 20, 2000, "why"))


def test_a_batch_shape_without_a_readable_example_is_refused(text, flip):
    few = dataclasses.replace(SKIP, max_length=8)
    for number in range(4):
        for record in range(4):
            flip(shard(text, number=number), record)
    with pytest.raises(UserError, match="too many to leave out"):
        Batches(text, "train", few, 1, training=True).batch(0)
