"""A corpus in one of several layouts."""

import pytest

from t2t_mm.data.sources.first_present import FirstPresent
from t2t_mm.data.sources.image_folder import ImageFolder
from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, TRAIN

PETS = FirstPresent(ImageFolder("pets"), ImageFolder("animals"), ImageFolder("pets/pets.zip"))


def fill(root, pet):
    for part in ("train", "test"):
        (root / part / pet).mkdir(parents=True)
        (root / part / pet / "1.jpg").write_bytes(b"")


def test_the_first_layout_that_is_there_is_read(tmp_path):
    fill(tmp_path / "animals", "dog")
    assert PETS.present(tmp_path)
    assert PETS.classes(tmp_path) == ("dog",)
    fill(tmp_path / "pets", "cat")
    assert PETS.classes(tmp_path) == ("cat",)
    assert PETS.splits(tmp_path) == (TRAIN, DEV)
    assert [e.id for e in PETS.examples(TRAIN, tmp_path)] == ["train/cat/1.jpg"]


def test_when_none_is_there_every_place_looked_for_is_named(tmp_path):
    assert not PETS.present(tmp_path)
    with pytest.raises(UserError) as refusal:
        PETS.splits(tmp_path)
    for place in ("pets", "animals", "pets/pets.zip"):
        assert f"{tmp_path / place} holds no images" in str(refusal.value)


def test_fetching_goes_on_until_one_is_there(tmp_path):
    class Fetching(ImageFolder):
        def fetch(self, tmp_dir):
            fill(tmp_dir / self.path, "cat")

    chosen = FirstPresent(ImageFolder("pets"), Fetching("animals"), Fetching("zoo"))
    chosen.fetch(tmp_path)
    assert (tmp_path / "animals").exists() and not (tmp_path / "zoo").exists()


def test_when_fetching_fails_the_layouts_that_would_do_are_named_too(tmp_path):
    class Failing(ImageFolder):
        def fetch(self, tmp_dir):
            raise UserError("No such host: zoo.example")

    with pytest.raises(UserError) as refusal:
        FirstPresent(ImageFolder("pets"), Failing("animals")).fetch(tmp_path)
    first, *others = str(refusal.value).splitlines()
    assert first == "No such host: zoo.example"
    assert any(f"{tmp_path / 'pets'} holds no images" in line for line in others)


def test_notes_and_the_size_of_a_download_are_those_of_the_source_in_question(tmp_path):
    class Noted(ImageFolder):
        def notes(self, tmp_dir):
            return (f"{self.path} is small",)

        def download_bytes(self, tmp_dir):
            return 7

    chosen = FirstPresent(ImageFolder("pets"), Noted("animals"))
    assert chosen.download_bytes(tmp_path) == 7
    fill(tmp_path / "animals", "cat")
    assert chosen.download_bytes(tmp_path) == 0 and chosen.notes(tmp_path) == ("animals is small",)
    fill(tmp_path / "pets", "cat")
    assert chosen.notes(tmp_path) == ()
