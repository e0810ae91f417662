"""The real corpora, each in the layout in which its users have it, a few items of each."""

import gzip
import zipfile

import pytest

from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, TRAIN
from t2t_mm.registry import PROBLEMS


def first(name, split, tmp_path):
    return dict(next(PROBLEMS[name].source.examples(split, tmp_path)).values)


@pytest.mark.parametrize(
    ("name", "inputs", "targets"),
    [
        ("translate_ende_multi30k", "A dog.", "Ein Hund."),
        ("translate_deen_multi30k", "Ein Hund.", "A dog."),
        ("translate_enfr_multi30k", "A dog.", "Un chien."),
        ("translate_fren_multi30k", "Un chien.", "A dog."),
    ],
)
def test_multi30k_is_read_in_four_directions(tmp_path, name, inputs, targets):
    (tmp_path / "multi30k").mkdir()
    for language, text in {"en": "A dog.", "de": "Ein Hund.", "fr": "Un chien."}.items():
        for stem in ("train", "val"):
            (tmp_path / "multi30k" / f"{stem}.{language}.gz").write_bytes(gzip.compress(f"{text}\n".encode()))
    assert PROBLEMS[name].source.splits(tmp_path) == (TRAIN, DEV)
    assert first(name, DEV, tmp_path) == {"inputs": inputs, "targets": targets}


def test_the_treebank_is_read(tmp_path):
    (tmp_path / "treebank" / "combined").mkdir(parents=True)
    for number in (1, 160):
        (tmp_path / "treebank" / "combined" / f"wsj_{number:04d}.mrg").write_text(
            "( (NP-HLN (NN Rain) (-NONE- *) (. .)) )\n"
        )
    expected = {"inputs": "Rain .", "targets": "(NP (NN Rain) (. .))"}
    assert first("parsing_wsj", TRAIN, tmp_path) == expected


@pytest.mark.parametrize("archive", ["cifar10_train.zip", "CIFAR-10-images-master.zip", None])
def test_cifar10_is_read_from_a_folder_and_from_its_archives(tmp_path, archive):
    names = [f"{part}/{label}/0000.jpg" for part in ("train", "test") for label in ("cat", "dog")]
    (tmp_path / "cifar10").mkdir()
    if archive:
        with zipfile.ZipFile(tmp_path / "cifar10" / archive, "w") as file:
            for name in names:
                file.writestr(f"CIFAR-10-images-master/{name}" if "master" in archive else name, b"picture")
    else:
        for name in names:
            (tmp_path / "cifar10" / name).parent.mkdir(parents=True)
            (tmp_path / "cifar10" / name).write_bytes(b"picture")
    source = PROBLEMS["image_cifar10"].source
    assert source.classes(tmp_path) == ("cat", "dog")
    assert [e.id for e in source.examples(DEV, tmp_path)] == ["test/cat/0000.jpg", "test/dog/0000.jpg"]
    assert first("image_cifar10", TRAIN, tmp_path) == {"inputs": b"picture", "targets": "cat"}


@pytest.mark.parametrize("folder", ["imagenet/train", "imagenet_sample"])
def test_imagenet_is_read_from_class_folders(tmp_path, folder):
    for number in range(40):
        wnid = f"n{number:08d}"
        (tmp_path / folder / wnid).mkdir(parents=True)
        (tmp_path / folder / wnid / f"{wnid}_1.JPEG").write_bytes(b"picture")
    source = PROBLEMS["image_imagenet"].source
    assert len(source.classes(tmp_path)) == 40  # those held out by hash, too
    assert sum(len(list(source.examples(split, tmp_path))) for split in (TRAIN, DEV)) == 40


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("image_cifar10", ["cifar10", "cifar10/cifar10_train.zip", "tensorflow_datasets/cifar10"]),
        ("image_imagenet", ["imagenet", "imagenet_sample", "tensorflow_datasets/downloads/manual"]),
        ("parsing_wsj", ["treebank"]),
        ("translate_enfr_multi30k", ["multi30k"]),
    ],
)
def test_a_missing_corpus_is_told_by_every_place_looked_for(tmp_path, name, places):
    with pytest.raises(UserError) as refusal:
        PROBLEMS[name].source.splits(tmp_path)
    for place in places:
        assert str(tmp_path / place) in str(refusal.value)
