"""The check of records before a run: files, counts, ids, shapes, and dropped examples."""

import dataclasses
import io
import struct

import numpy as np
import pytest
from PIL import Image as Pillow

from t2t_mm.data.features.image import Image
from t2t_mm.data.features.label import Label
from t2t_mm.data.input.check_records import check_briefly, check_splits
from t2t_mm.data.input.generated_problem import open_problem
from t2t_mm.data.input.records import Manifest, Shard, SplitReader
from t2t_mm.data.input.shards import ShardWriter
from t2t_mm.errors import UserError
from t2t_mm.hparam_set import DataHparams

HPARAMS = DataHparams(image_size=8)
ROWS = {
    "train": [("a dog sleeps", "ein hund"), ("a cat", "eine katze"), ("a dog sees a cat", "ein hund sieht")],
    "dev": [("a cat sleeps", "eine katze"), ("a dog", "ein hund")],
}


def png(side=8):
    file = io.BytesIO()
    Pillow.new("RGB", (side, side), (255, 0, 0)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def texts(make_ready):
    return make_ready(ROWS)


@pytest.fixture
def images(make_ready):
    rows = {split: [(png(), "red"), (png(20), "blue")] for split in ("train", "dev")}
    return make_ready(rows, name="images", inputs=Image(), targets=Label("colours"))


def rewritten(ready, split, place, **changes):
    """The problem with another record at `place`, its index and manifest made to fit the bytes."""
    written = ready.manifest.splits[split]
    records = SplitReader(ready.folder, written).read(range(written.examples))
    records[place] = {**records[place], **changes}
    writer = ShardWriter(ready.folder / "new.array_record", tuple(ready.codecs), 0)
    for record in records:
        stored = {name: record[name] for name in ready.codecs}
        lengths = {name: codec.length(stored[name]) for name, codec in ready.codecs.items()}
        writer.add(record["id"], stored, lengths, np.zeros(0, np.int64))
    complete = writer.close()
    tokens = dict(zip(ready.codecs, complete.tokens, strict=True))
    shards = (Shard("new.array_record", complete.examples, complete.sha256),)
    return with_split(ready, split, shards=shards, tokens=tokens)


def with_split(ready, split, **changes):
    splits = ready.manifest.splits
    splits = {**splits, split: dataclasses.replace(splits[split], **changes)}
    return dataclasses.replace(ready, manifest=dataclasses.replace(ready.manifest, splits=splits))


def faults(ready, hparams=HPARAMS):
    return [fault for checked in check_splits(ready, hparams) for fault in checked.faults]


def test_intact_data_has_no_faults_and_is_counted(texts, images):
    train, dev = check_splits(texts, HPARAMS)
    assert (train.split, train.examples, train.read, train.dropped) == ("train", 3, 3, 0)
    assert (dev.split, dev.examples, dev.read) == ("dev", 2, 2)
    assert faults(texts) == faults(images) == []
    check_briefly(texts, HPARAMS)


def test_what_is_dropped_is_a_share_of_what_the_source_had(make_ready):
    ready = make_ready({**ROWS, "train": [*ROWS["train"], ("", "leer")]})
    lengths_NF = SplitReader(ready.folder, ready.manifest.splits["train"]).lengths_NF
    longest = int(lengths_NF.max())
    train, dev = check_splits(ready, DataHparams(max_length=longest - 1))
    beyond = int((lengths_NF.max(axis=1) == longest).sum())
    assert train.left_out == {"empty": 1} and train.too_long == beyond
    assert train.dropped == pytest.approx((1 + beyond) / 4)
    assert dev.too_long == 0


def test_as_many_records_are_read_as_asked_for_the_last_among_them(texts):
    assert [checked.read for checked in check_splits(texts, HPARAMS, 2)] == [2, 2]
    assert [checked.read for checked in check_splits(texts, HPARAMS, None)] == [3, 2]
    broken = rewritten(texts, "train", 2, targets=struct.pack("<i", -1))
    assert [len(checked.faults) for checked in check_splits(broken, HPARAMS, 2)] == [1, 0]


@pytest.mark.parametrize("beyond, actual", [(0, "{size}"), (-(10**6), "-9")])
def test_an_id_outside_the_vocabulary_is_named(texts, beyond, actual):
    size = texts.codecs["targets"].port.size
    id = size if beyond == 0 else -9
    (fault,) = faults(rewritten(texts, "dev", 1, targets=struct.pack("<ii", 3, id)))
    assert fault.startswith(
        f"Record 1 of dev of made has targets with the ids {actual.format(size=size)}; text_subwords has those from 0 "
        f"to {size - 1:,}. Remove "
    )


def test_the_highest_id_and_class_are_within(texts, images):
    size = texts.codecs["targets"].port.size
    assert faults(rewritten(texts, "dev", 1, targets=struct.pack("<ii", size - 1, 0))) == []
    assert faults(rewritten(images, "dev", 1, targets=struct.pack("<i", 1))) == []
    (fault,) = faults(rewritten(images, "dev", 1, targets=struct.pack("<i", 2)))
    assert "with the class 2; label_colours has those from 0 to 1." in fault


def test_a_value_that_cannot_be_read_is_named(images):
    (fault,) = faults(rewritten(images, "train", 0, inputs=png()[:30]))
    assert fault.startswith(f"Record 0 of 2 in {images.folder}/new.array_record, an example of images: its inputs ")
    assert "can't be read (UnidentifiedImageError" in fault


def test_a_record_that_may_be_left_out_is_no_fault(texts, flip):
    flip(texts.folder / texts.manifest.splits["dev"].shards[0].file, 1)
    (fault,) = faults(texts)
    assert fault.startswith("Record 1 of 2 in ") and "hash mismatch" in fault
    with pytest.raises(UserError, match="Record 1 of 2"):
        check_briefly(texts, HPARAMS)
    train, dev = check_splits(texts, dataclasses.replace(HPARAMS, corrupt_record="skip"))
    assert (train.corrupt, dev.faults, len(dev.corrupt)) == ((), (), 1)


def test_arrays_of_another_shape_than_the_model_expects_are_named(images, monkeypatch):
    codec = type(images.codecs["inputs"])
    flat = codec.load
    monkeypatch.setattr(codec, "load", lambda *arguments: flat(*arguments)[:, :, :1])
    assert "make pixels of uint8[1, 8, 8, 1]; the model expects uint8['any', 8, 8, 3]." in faults(images)[0]


def test_numbers_that_are_not_finite_are_named(images, monkeypatch):
    codec = type(images.codecs["inputs"])
    spec, load = codec.spec, codec.load
    as_float = {"pixels": dataclasses.replace(spec(images.codecs["inputs"], HPARAMS)["pixels"], dtype="float32")}
    monkeypatch.setattr(codec, "spec", lambda *arguments: as_float)
    monkeypatch.setattr(codec, "load", lambda *arguments: load(*arguments) * np.float32("nan"))
    monkeypatch.setattr(codec, "batch", lambda self, values, rows, length: {"pixels": np.stack(values)})
    assert "has inputs whose pixels are not all finite." in faults(images)[0]


def test_an_index_that_differs_from_the_manifest_or_the_record_is_named(texts):
    tokens = texts.manifest.splits["dev"].tokens
    counted = with_split(texts, "dev", tokens={**tokens, "targets": tokens["targets"] + 1})
    assert f"by the manifest, and {tokens['targets']} by the index" in faults(counted)[0]

    shard = texts.folder / f"{texts.manifest.splits['dev'].shards[0].file}.lengths.npy"
    np.save(shard, np.load(shard)[::-1].copy())
    assert any("its index says" in fault for fault in faults(texts))


def test_a_file_that_is_missing_and_counts_that_differ_are_named(texts):
    dev = texts.manifest.splits["dev"]
    assert "counts 3 examples of dev, and 2 in its files" in faults(with_split(texts, "dev", examples=3))[0]
    without = dataclasses.replace(
        texts, manifest=dataclasses.replace(texts.manifest, splits={"train": texts.manifest.splits["train"]})
    )
    assert faults(without) == [f"The manifest in {texts.folder} names no split dev."]
    (texts.folder / dev.shards[0].file).unlink()
    assert (
        "dev-00000-of-00001.array_record can't be read: No such file or directory. The manifest lists it"
        in faults(texts)[0]
    )
    with pytest.raises(UserError, match="dev-00000-of-00001.array_record can't be read: No such file or directory"):
        check_briefly(texts, HPARAMS)


def test_a_feature_that_a_record_lacks_is_named(texts, make_problem):
    reopened = open_problem("made", make_problem(ROWS), texts.folder.parent)
    assert isinstance(reopened.manifest, Manifest) and faults(reopened) == []
    narrow = dataclasses.replace(texts, codecs={"targets": texts.codecs["targets"]})
    assert "counts the lengths of inputs, targets of train; expected targets." in faults(narrow)[0]
