"""Alphabets in Omniglot's archives, or unpacked."""

import io
import zipfile

import pytest
from PIL import Image as Pillow

from t2t_mm.data.sources.hash_split import in_part
from t2t_mm.data.sources.omniglot_alphabet import OmniglotAlphabet
from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, TRAIN

GREEK = OmniglotAlphabet("Greek")
NAMES = [f"character{c:02}/{c:04}_{n:02}.png" for c in (1, 2) for n in range(1, 21)]


def drawing(place):
    file = io.BytesIO()
    Pillow.new("1", (4, 4), place % 2).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(params=["images_background.zip", "images_evaluation", "images_background_small2.zip"])
def corpus(request, tmp_path):
    folder = tmp_path / "omniglot"
    folder.mkdir()
    within = request.param.removesuffix(".zip")
    images = {f"{within}/{alphabet}/{name}": name for alphabet in ("Greek", "Greek_Too") for name in NAMES}
    if request.param.endswith(".zip"):
        with zipfile.ZipFile(folder / request.param, "w") as archive:
            archive.writestr(f"{within}/Greek/notes.txt", "no image")
            for path, name in images.items():
                archive.writestr(path, drawing(NAMES.index(name)))
    else:
        for path, name in images.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(drawing(NAMES.index(name)))
    return tmp_path


def test_each_drawing_of_the_alphabet_is_in_one_split(corpus):
    assert GREEK.present(corpus) and GREEK.splits(corpus) == (TRAIN, DEV)
    assert GREEK.classes(corpus) == ("character01", "character02")
    actual = {split: list(GREEK.examples(split, corpus)) for split in (TRAIN, DEV)}
    dev = [f"Greek/{name}" for name in NAMES if in_part(f"Greek/{name}", 5)]
    assert [example.id for example in actual[DEV]] == dev and len(actual[TRAIN]) + len(dev) == 40
    for example in actual[TRAIN] + actual[DEV]:
        _, character, name = example.id.split("/")
        assert example.values["targets"] == character
        assert example.values["inputs"] == drawing(NAMES.index(f"{character}/{name}"))
    assert [example.id for example in GREEK.examples_from(TRAIN, corpus, 3)] == [e.id for e in actual[TRAIN][3:]]


def test_an_alphabet_that_no_set_holds_is_named_with_the_sets(corpus):
    latin = OmniglotAlphabet("Latin")
    assert not latin.present(corpus)
    with pytest.raises(UserError, match="The alphabet Latin is in none of images_background, images_evaluation, "):
        latin.splits(corpus)


def test_a_broken_archive_is_named(tmp_path):
    (tmp_path / "omniglot").mkdir()
    (tmp_path / "omniglot" / "images_background.zip").write_bytes(b"no zip")
    with pytest.raises(UserError, match=r"images_background\.zip is not a complete zip file"):
        GREEK.splits(tmp_path)
