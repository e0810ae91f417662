"""Records to batches."""

import gc
import io
import itertools
import threading
import time

import numpy as np
import pytest
from PIL import Image as Pillow

from t2t_mm.data.features.image import Image
from t2t_mm.data.features.label import Label
from t2t_mm.data.input.batches import Batches
from t2t_mm.data.input.row_shard import RowShard
from t2t_mm.errors import UserError
from t2t_mm.hparam_set import DataHparams

NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
ROWS = {
    split: [(" ".join(NUMBERS[int(digit)] for digit in str(number**3)), str(number**3)) for number in numbers]
    for split, numbers in {"train": range(150), "dev": range(150, 180)}.items()
}
HPARAMS = DataHparams(batch_size=200, max_length=64, buckets=3, image_size=16)


def image(seed):
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (16, 16, 3)).astype(np.uint8)
    Pillow.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def text(make_ready):
    return make_ready(ROWS)


@pytest.fixture
def images(make_ready):
    rows = [(image(seed), "even" if seed % 2 == 0 else "odd") for seed in range(20)]
    return make_ready({"train": rows, "dev": rows[:7]}, name="images", inputs=Image(), targets=Label("parity"))


def flat(batch):
    return {(name, key): array for name, arrays in batch.arrays.items() for key, array in arrays.items()}


def assert_equal(one, other):
    assert (one.position, one.ids) == (other.position, other.ids)
    for key, array in flat(one).items():
        np.testing.assert_array_equal(array, flat(other)[key])


def test_a_batch_holds_the_examples_that_its_ids_name(text):
    batches = Batches(text, "train", HPARAMS, seed=1, training=True)
    for batch in map(batches.batch, range(len(batches))):
        assert batch.problem == "made"
        for row, id in enumerate(batch.ids):
            inputs, targets = ROWS["train"][int(id.removeprefix("train/"))]
            assert text.codecs["inputs"].show(batch.arrays["inputs"]["ids"][row]) == inputs
            assert text.codecs["targets"].show(batch.arrays["targets"]["ids"][row]) == targets
            assert batch.arrays["targets"]["ids"][row, batch.arrays["targets"]["lengths"][row] - 1] == 1
        assert (batch.arrays["targets"]["lengths"][len(batch.ids) :] == 0).all()


def test_an_epoch_of_training_names_every_example_once(text):
    batches = Batches(text, "train", HPARAMS, seed=1, training=True)
    for start in (0, len(batches)):
        ids = [id for batch in itertools.islice(batches.stream(start), len(batches)) for id in batch.ids]
        assert sorted(ids) == sorted(f"train/{i}" for i in range(150))


def test_dev_comes_once_whole_and_in_the_same_order(text):
    batches = Batches(text, "dev", DataHparams(batch_size=200, max_length=5), seed=1, training=False)
    ids = [batch.ids for batch in batches.stream()]
    assert len(ids) == len(batches)
    assert sorted(itertools.chain(*ids)) == sorted(f"dev/{i}" for i in range(30))  # none is too long to be evaluated
    assert ids == [batch.ids for batch in Batches(text, "dev", batches.hparams, seed=2, training=False).stream()]


def test_a_corpus_sorted_by_class_is_evaluated_in_mixed_batches(make_ready):
    rows = [(" ".join(NUMBERS[:3]), "even" if number < 200 else "odd") for number in range(400)]
    ready = make_ready({"train": rows, "dev": rows}, targets=Label("parity"))
    batches = Batches(ready, "dev", DataHparams(batch_size=600), seed=1, training=False)
    for batch in batches.stream():
        assert 0.2 < batch.arrays["targets"]["class"][: len(batch.ids)].mean() < 0.8


def test_a_stream_from_any_position_goes_on_as_the_uninterrupted_one(text, images):
    for ready in (text, images):
        batches = Batches(ready, "train", HPARAMS, seed=1, training=True)
        walked = list(itertools.islice(batches.stream(), 3 * len(batches)))
        assert [batch.position for batch in walked] == list(range(3 * len(batches)))
        start = len(batches) + 1
        resumed = Batches(ready, "train", HPARAMS, seed=1, training=True).stream(start)
        for one, other in zip(walked[start:], resumed, strict=False):
            assert_equal(one, other)
        assert_equal(walked[start], batches.batch(start))


def test_a_stream_of_dev_ends_from_any_position(text):
    batches = Batches(text, "dev", HPARAMS, seed=1, training=False)
    assert [batch.position for batch in batches.stream(len(batches) - 1)] == [len(batches) - 1]
    assert list(batches.stream(len(batches))) == []


def test_another_seed_gives_another_order(text):
    orders = [Batches(text, "train", HPARAMS, seed, training=True).batch(0).ids for seed in (1, 2)]
    assert orders[0] != orders[1]


def test_long_training_examples_are_left_out_and_counted(text):
    lengths = [text.codecs["inputs"].length(text.codecs["inputs"].store(inputs)) for inputs, _ in ROWS["train"]]
    most = sorted(lengths)[20]
    batches = Batches(text, "train", DataHparams(max_length=most), seed=1, training=True)
    fit = sum(length <= most for length in lengths)
    assert (batches.examples, batches.dropped) == (fit, 150 - fit) and batches.dropped > 0
    assert max(batch.arrays["inputs"]["lengths"].max() for batch in map(batches.batch, range(len(batches)))) == most


def test_tokens_count_the_targets_of_an_epoch(text):
    batches = Batches(text, "train", HPARAMS, seed=1, training=True)
    assert batches.dropped == 0 and batches.tokens == text.manifest.splits["train"].tokens["targets"]
    assert batches.tokens == sum(b.arrays["targets"]["lengths"].sum() for b in map(batches.batch, range(len(batches))))


def test_nothing_left_and_an_unknown_split_are_refused(text):
    with pytest.raises(UserError, match="each of 150 is longer than inputs of 1 ids or targets of 1 ids"):
        Batches(text, "train", DataHparams(max_length=1), seed=1, training=True)
    with pytest.raises(UserError, match="No split of made is named 'tran'. Did you mean 'train'?"):
        Batches(text, "tran", HPARAMS, seed=1, training=True)


def test_a_problem_may_scale_the_batch_size(make_ready):
    ready = make_ready(ROWS, batch_size_multiplier=0.5)
    batches = Batches(ready, "train", HPARAMS, seed=1, training=True)
    for bucket in batches.plan.buckets:
        assert bucket.rows == 100 // max(bucket.lengths)


def test_images_are_augmented_by_epoch_in_training_only(images):
    training = Batches(images, "train", HPARAMS, seed=1, training=True)
    epochs = [{}, {}]
    for position in range(2 * len(training)):
        batch = training.batch(position)
        epochs[position // len(training)].update(zip(batch.ids, batch.arrays["inputs"]["pixels"], strict=False))
    assert sum((epochs[0][id] != epochs[1][id]).any() for id in epochs[0]) > 15
    (dev,) = Batches(images, "dev", HPARAMS, seed=1, training=False).stream()
    for row, id in enumerate(dev.ids):
        original = np.asarray(Pillow.open(io.BytesIO(image(int(id.removeprefix("dev/"))))))
        np.testing.assert_array_equal(dev.arrays["inputs"]["pixels"][row], original)
        assert dev.arrays["targets"]["class"][row] == int(id.removeprefix("dev/")) % 2  # "even" is class 0
    assert (dev.arrays["targets"]["class"][len(dev.ids) :] == -1).all()


def test_batches_look_as_the_codecs_say(text, images):
    for ready in (text, images):
        batch = Batches(ready, "train", HPARAMS, seed=1, training=True).batch(0)
        for name, codec in ready.codecs.items():
            for key, spec in codec.spec(HPARAMS).items():
                array = batch.arrays[name][key]
                assert array.dtype == spec.dtype and array.ndim == len(spec.shape)
                assert all(want in (None, have) for want, have in zip(spec.shape, array.shape, strict=True))


@pytest.mark.parametrize("workers", [2, 3, pytest.param(300, marks=pytest.mark.slow)])
def test_the_rows_of_all_workers_are_the_batch(text, images, workers):
    for ready in (text, images):
        complete = Batches(ready, "train", HPARAMS, seed=1, training=True)
        parts = [
            Batches(ready, "train", HPARAMS, 1, True, row_shard=RowShard(worker, workers)) for worker in range(workers)
        ]
        for position in range(2):
            batch, made = complete.batch(position), [part.batch(position) for part in parts]
            assert {(one.ids, one.targets) for one in made} == {(batch.ids, batch.targets)}
            for key, array in flat(batch).items():
                rows = np.concatenate([flat(one)[key] for one in made])
                np.testing.assert_array_equal(rows[: len(array)], array)
                empty = -1 if key[1] == "class" else 0
                assert len(rows) == max(len(array), workers) and (rows[len(array) :] == empty).all()


def test_the_largest_batch_is_one_of_the_largest_shape(text):
    batches = Batches(text, "train", HPARAMS, seed=1, training=True)
    positions_available = [sum(a["ids"].size for a in batches.batch(p).arrays.values()) for p in range(len(batches))]
    assert sum(arrays["ids"].size for arrays in batches.largest().arrays.values()) == max(positions_available)


def test_threads_end_when_a_stream_is_dropped(text):
    before = threading.active_count()
    stream = Batches(text, "train", HPARAMS, seed=1, training=True).stream()
    next(stream)
    assert threading.active_count() > before
    del stream
    gc.collect()
    until = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.01)
    assert threading.active_count() == before


def test_a_damaged_shard_stops_the_stream_with_its_name(text):
    shard = text.folder / text.manifest.splits["dev"].shards[0].file
    batches = Batches(text, "dev", HPARAMS, seed=1, training=False)
    content = bytearray(shard.read_bytes())
    for place in np.flatnonzero(np.frombuffer(content, np.uint8))[300:-300:7]:
        content[place] ^= 255
    shard.write_bytes(content)
    with pytest.raises(UserError, match=r"dev-00000-of-00001\.array_record"):
        list(batches.stream())
