"""Images in class folders: on disk, in a zip, with parts and without."""

import os
import zipfile
from pathlib import Path

import pytest

from t2t_mm.data.sources.hash_split import in_dev
from t2t_mm.data.sources.image_folder import ImageFolder
from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, TEST, TRAIN

SOURCE = ImageFolder("pets", homepage="example.org/pets")
ZIP = ImageFolder("pets.zip")
PARTS = ["train/cat/1.jpg", "train/dog/2.JPEG", "test/cat/3.png", "test/eel/4.PNG"]
FLAT = [f"{pet}/{number}.jpg" for pet in ("cat", "dog") for number in range(30)]


def fill(root: Path, names: list[str], prefix: str = "") -> None:
    """Files below a folder or inside a .zip; a file holds its own name, since no source looks inside."""
    if root.suffix == ".zip":
        with zipfile.ZipFile(root, "w") as archive:
            for name in names:
                archive.writestr(prefix + name, name)
        return
    for name in names:
        (root / prefix / name).parent.mkdir(parents=True, exist_ok=True)
        (root / prefix / name).write_text(name)


def read(source: ImageFolder, split: str, tmp_dir: Path) -> list[tuple[str, str, str]]:
    return [(e.id, e.values["inputs"].decode(), e.values["targets"]) for e in source.examples(split, tmp_dir)]


@pytest.mark.parametrize("source", [SOURCE, ZIP])
def test_a_class_is_its_folder_and_an_example_its_path(tmp_path, source):
    fill(tmp_path / source.path, PARTS)
    assert read(source, TRAIN, tmp_path) == [
        ("train/cat/1.jpg", "train/cat/1.jpg", "cat"),
        ("train/dog/2.JPEG", "train/dog/2.JPEG", "dog"),
    ]


@pytest.mark.parametrize("source", [SOURCE, ZIP])
def test_the_classes_are_those_of_all_parts(tmp_path, source):
    fill(tmp_path / source.path, PARTS)
    assert source.classes(tmp_path) == ("cat", "dog", "eel")


def test_a_test_part_is_dev_unless_there_is_a_val_part(tmp_path):
    fill(tmp_path / "pets", PARTS)
    assert SOURCE.splits(tmp_path) == (TRAIN, DEV)
    assert [id for id, _, _ in read(SOURCE, DEV, tmp_path)] == ["test/cat/3.png", "test/eel/4.PNG"]
    fill(tmp_path / "pets", ["val/dog/5.jpg"])
    assert SOURCE.splits(tmp_path) == (TRAIN, DEV, TEST)
    assert [id for id, _, _ in read(SOURCE, DEV, tmp_path)] == ["val/dog/5.jpg"]


@pytest.mark.parametrize("source", [SOURCE, ZIP])
@pytest.mark.parametrize("prefix", ["", "train/"])
def test_without_a_dev_part_a_tenth_by_hash_of_the_id_is_dev(tmp_path, source, prefix):
    fill(tmp_path / source.path, FLAT, prefix)
    train, dev = ([id for id, _, _ in read(source, split, tmp_path)] for split in (TRAIN, DEV))
    ids = sorted(prefix + name for name in FLAT)
    assert dev == [id for id in ids if in_dev(id)] and 1 <= len(dev) <= 15
    assert sorted(train + dev) == ids
    assert source.classes(tmp_path) == ("cat", "dog")


def test_the_one_folder_at_the_top_of_a_zip_is_passed_over(tmp_path):
    fill(tmp_path / "pets.zip", PARTS, "pets-master/")
    assert read(ZIP, DEV, tmp_path)[0] == ("test/cat/3.png", "test/cat/3.png", "cat")


def test_what_is_no_image_or_is_hidden_is_passed_over(tmp_path):
    fill(tmp_path / "pets", [*PARTS, "train/cat/notes.txt", "train/.cache/5.jpg", "train/cat/._1.jpg", "cover.jpg"])
    assert len(read(SOURCE, TRAIN, tmp_path)) == 2
    fill(tmp_path / "pets.zip", [*PARTS, "__MACOSX/cat/5.jpg"])
    assert len(read(ZIP, TRAIN, tmp_path)) == 2


def test_a_missing_folder_is_named_with_the_layout_and_where_to_get_it(tmp_path):
    assert not SOURCE.present(tmp_path)
    with pytest.raises(UserError) as refusal:
        SOURCE.splits(tmp_path)
    assert str(tmp_path / "pets") in str(refusal.value)
    assert "<split>/<class>/<file> or <class>/<file>" in str(refusal.value)
    assert "example.org/pets" in str(refusal.value)


def test_a_folder_without_class_folders_is_not_taken_for_the_corpus(tmp_path):
    (tmp_path / "pets").mkdir()
    (tmp_path / "pets" / "pets.zip").touch()
    assert not SOURCE.present(tmp_path)
    fill(tmp_path / "pets", FLAT)
    assert SOURCE.present(tmp_path)


def test_class_folders_without_images_are_not_taken_for_the_corpus(tmp_path):
    fill(tmp_path / "pets", ["train/cat/notes.txt", "cover.jpg"])
    (tmp_path / "pets" / "train" / "dog").mkdir()
    assert not SOURCE.present(tmp_path)
    fill(tmp_path / "pets", ["train/dog/1.jpg"])
    assert SOURCE.present(tmp_path)


def test_a_part_without_class_folders_is_refused(tmp_path):
    fill(tmp_path / "pets", [*PARTS, "val/00000001.jpg"])
    with pytest.raises(UserError, match="val/00000001.jpg is in no class folder"):
        SOURCE.splits(tmp_path)


def test_a_corpus_without_a_train_part_is_refused(tmp_path):
    fill(tmp_path / "pets", ["val/cat/1.jpg"])
    with pytest.raises(UserError, match="has no train part; found: dev"):
        SOURCE.splits(tmp_path)


def test_too_few_images_to_hold_any_out_are_refused(tmp_path):
    fill(tmp_path / "pets", [name for name in FLAT if not in_dev(name)])
    with pytest.raises(UserError, match="too few images"):
        SOURCE.splits(tmp_path)


def test_half_a_zip_is_refused(tmp_path):
    fill(tmp_path / "pets.zip", FLAT)
    complete = (tmp_path / "pets.zip").read_bytes()
    (tmp_path / "pets.zip").write_bytes(complete[:-30])
    with pytest.raises(UserError, match="pets.zip is not a complete zip file"):
        ZIP.splits(tmp_path)


def test_a_damaged_image_in_a_zip_is_refused_by_name(tmp_path):
    fill(tmp_path / "pets.zip", PARTS)
    complete = (tmp_path / "pets.zip").read_bytes()
    (tmp_path / "pets.zip").write_bytes(
        complete.replace(b"train/cat/1.jpgtrain/cat/1.jpg", b"train/cat/1.jpgTRAIN/cat/1.jpg")
    )
    with pytest.raises(UserError, match="train/cat/1.jpg cannot be read"):
        read(ZIP, TRAIN, tmp_path)


@pytest.mark.parametrize(
    ("places", "value", "message"),
    [
        ({b"PK\x01\x02": 8, b"PK\x03\x04": 6}, 1, "is encrypted, password required"),  # the flag of a member
        ({b"PK\x01\x02": 10}, 99, "compression method is not supported"),  # its method
        ({b"PK\x01\x02": 6}, 99, "zip file version 9.9"),  # the version needed
    ],
)
def test_a_zip_that_wants_a_password_or_another_program_is_refused(tmp_path, places, value, message):
    fill(tmp_path / "pets.zip", PARTS)
    complete = bytearray((tmp_path / "pets.zip").read_bytes())
    for head, offset in places.items():
        place = complete.find(head)
        while place >= 0:
            complete[place + offset] = value
            place = complete.find(head, place + 1)
    (tmp_path / "pets.zip").write_bytes(complete)
    with pytest.raises(UserError, match=f"pets.zip.* cannot be read .*{message}.*Unpack it and zip it again"):
        read(ZIP, TRAIN, tmp_path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_image_that_is_twice_in_a_zip_is_refused(tmp_path):
    fill(tmp_path / "pets.zip", [*PARTS, PARTS[1]], "pets-master/")
    with pytest.raises(UserError, match="pets.zip holds pets-master/train/dog/2.JPEG twice"):
        ZIP.splits(tmp_path)


def test_a_class_may_have_the_name_of_a_part(tmp_path):
    fill(tmp_path / "pets", [*FLAT, *(f"train/{number}.jpg" for number in range(30))])
    assert SOURCE.classes(tmp_path) == ("cat", "dog", "train")


@pytest.mark.parametrize("name", ["train/cat/5.jpg", "cat/77.jpg"])
def test_images_that_were_added_are_counted(tmp_path, name):
    fill(tmp_path / "pets", PARTS if name.startswith("train") else FLAT)
    before = SOURCE.count(TRAIN, tmp_path) + SOURCE.count(DEV, tmp_path)
    fill(tmp_path / "pets", [name])
    os.utime((tmp_path / "pets" / name).parent, ns=(1, 1))  # as if some time had gone by
    assert SOURCE.count(TRAIN, tmp_path) + SOURCE.count(DEV, tmp_path) == before + 1
