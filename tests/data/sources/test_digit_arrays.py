"""MNIST in its layouts: idx files, plain and compressed, and Keras's archive."""

import gzip
import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from t2t_mm.data.sources.digit_arrays import IdxFiles, KerasArchive, read_idx
from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, TEST, TRAIN
from t2t_mm.registry import PROBLEMS

IDX, KERAS = IdxFiles("mnist", homepage="example.org"), KerasArchive("mnist")
PICTURES = {"train": np.arange(12 * 6, dtype=np.uint8).reshape(12, 2, 3), "test": np.full((7, 2, 3), 9, np.uint8)}
CLASSES = {"train": np.arange(12, dtype=np.uint8) % 10, "test": np.zeros(7, np.uint8)}


def idx(array):
    """As LeCun's page describes the format."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


@pytest.fixture(params=["plain", "packed", "keras"])
def corpus(request, tmp_path):
    folder = tmp_path / "mnist"
    folder.mkdir()
    if request.param == "keras":
        arrays = {f"{axis}_{part}": kind[part] for axis, kind in (("x", PICTURES), ("y", CLASSES)) for part in kind}
        np.savez_compressed(folder / "mnist.npz", **arrays)
        return KERAS
    for part, stem in (("train", "train"), ("test", "t10k")):
        for array, name in ((PICTURES[part], "images-idx3"), (CLASSES[part], "labels-idx1")):
            path = folder / f"{stem}-{name}-ubyte"
            if request.param == "plain":
                path.write_bytes(idx(array))
            else:
                path.with_name(path.name + ".gz").write_bytes(gzip.compress(idx(array)))
    return IDX


def test_the_last_sixth_of_the_training_part_is_dev_and_the_test_part_is_test(corpus, tmp_path):
    assert corpus.present(tmp_path) and corpus.splits(tmp_path) == (TRAIN, DEV, TEST)
    actual = {split: list(corpus.examples(split, tmp_path)) for split in (TRAIN, DEV, TEST)}
    assert [e.id for e in actual[DEV]] == ["train/10", "train/11"]
    assert [len(actual[split]) for split in actual] == [10, 2, 7] == [corpus.count(s, tmp_path) for s in actual]
    assert [e.values["targets"] for e in actual[TRAIN]] == list("0123456789")
    image = Image.open(io.BytesIO(actual[DEV][1].values["inputs"]))
    np.testing.assert_array_equal(np.asarray(image), PICTURES["train"][11])
    assert [e.id for e in corpus.examples_from(TRAIN, tmp_path, 8)] == ["train/8", "train/9"]


def test_what_is_missing_is_named(tmp_path):
    assert not IDX.present(tmp_path) and not KERAS.present(tmp_path)
    with pytest.raises(UserError, match="holds no train-images-idx3-ubyte, plain or .gz. Get it from example.org"):
        IDX.splits(tmp_path)
    with pytest.raises(UserError, match="There is no .*mnist.npz"):
        KERAS.splits(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (idx(PICTURES["test"])[:-1], r"should hold \[7, 2, 3\] numbers"),
        (bytes([0, 0, 13, 1]) + bytes(8), "is not an idx file of unsigned bytes"),
        (b"", "is not an idx file of unsigned bytes"),
    ],
)
def test_a_broken_idx_file_is_told_by_name(content, message, tmp_path):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_idx(tmp_path / "file")


def test_a_cut_archive_is_told_by_name(tmp_path):
    (tmp_path / "file.gz").write_bytes(gzip.compress(idx(PICTURES["test"]))[:-9])
    with pytest.raises(UserError, match="is not a complete gzip file"):
        read_idx(tmp_path / "file.gz")
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "mnist.npz").write_bytes(b"no archive")
    with pytest.raises(UserError, match="mnist.npz is not a complete archive of x_train and y_train"):
        KERAS.splits(tmp_path)


def test_images_and_classes_that_do_not_match_are_refused(tmp_path):
    (tmp_path / "mnist").mkdir()
    arrays = {"x_train": PICTURES["train"], "y_train": CLASSES["test"]}
    np.savez(tmp_path / "mnist" / "mnist.npz", **arrays)
    with pytest.raises(UserError, match=r"as many classes \[N\], at least 6. Found: \[12, 2, 3\] and \[7\]"):
        KERAS.splits(tmp_path)


@pytest.mark.filterwarnings("ignore")  # TFDS and what it imports warn of one another
def test_the_builder_of_tensorflow_datasets_gives_the_same_images(hand_downloads, tmp_path, monkeypatch):
    from tensorflow_datasets.image_classification import mnist

    for name, count in (("_TRAIN_EXAMPLES", 12), ("_TEST_EXAMPLES", 7)):
        monkeypatch.setattr(mnist, name, count)
    images = {stem: np.random.default_rng(n).integers(0, 256, (n, 28, 28), np.uint8) for stem, n in STEMS.items()}

    def archive(url):
        stem, kind = url.rsplit("/", 1)[-1].split("-")[:2]
        classes = CLASSES["train" if stem == "train" else "test"]
        return gzip.compress(idx(images[stem] if kind == "images" else classes))

    requested = hand_downloads(archive)
    source = PROBLEMS["sequential_mnist"].source.sources[-1]
    assert (source.train, source.dev, source.test) == ("train[:50000]", "train[50000:]", "test")
    source = replace(source, train="train[:10]", dev="train[10:]")
    assert not source.present(tmp_path)
    source.fetch(tmp_path)
    assert len(requested) == 4 and source.splits(tmp_path) == (TRAIN, DEV, TEST)
    assert source.classes(tmp_path) == tuple("0123456789")
    for splits, stem in (((TRAIN, DEV), "train"), ((TEST,), "t10k")):
        actual = {
            np.asarray(Image.open(io.BytesIO(e.values["inputs"]))).tobytes(): e.values["targets"]
            for split in splits
            for e in source.examples(split, tmp_path)
        }
        assert actual == {p.tobytes(): str(n % 10 if stem == "train" else 0) for n, p in enumerate(images[stem])}


STEMS = {"train": 12, "t10k": 7}
