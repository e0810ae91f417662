"""CelebA through its real builder, on a small archive and lists in the layout in which its makers publish them."""

import io
import zipfile

import pytest
from PIL import Image

from t2t_mm.problem import DEV, TEST, TRAIN
from t2t_mm.registry import PROBLEMS

pytestmark = pytest.mark.filterwarnings("ignore")  # TFDS and what it imports warn of one another

PARTS = {"000001.jpg": 0, "000002.jpg": 0, "000003.jpg": 1, "000004.jpg": 2}
SMILING = {"000001.jpg": 1, "000002.jpg": -1, "000003.jpg": -1, "000004.jpg": 1}


@pytest.fixture
def celeba_download(tmp_path, monkeypatch):
    """Four faces, where their download would be."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.datasets.celeb_a import celeb_a_dataset_builder as maker

    folder = tmp_path / "downloaded"
    folder.mkdir()

    def table(heads, row):
        return f"{len(PARTS)}\n{' '.join(heads)}\n" + "".join(f"{name} {row(name)}\n" for name in PARTS)

    def attributes(name):
        return " ".join(str(SMILING[name] if head == "Smiling" else -1) for head in maker.ATTR_HEADINGS)

    lists = {
        "list_eval_partition": "".join(f"{name} {part}\n" for name, part in PARTS.items()),
        "list_attr_celeba": table(maker.ATTR_HEADINGS, attributes),
        "landmarks_celeba": table(maker.LANDMARK_HEADINGS, lambda name: " ".join("1" for _ in maker.LANDMARK_HEADINGS)),
        "identity_celeba": "".join(f"{name} 7\n" for name in PARTS),
    }
    for name, content in lists.items():
        (folder / name).write_text(content)
    with zipfile.ZipFile(folder / "img_align_celeba.zip", "w") as archive:
        for number, name in enumerate(PARTS):
            file = io.BytesIO()
            Image.new("RGB", (178, 218), (10 * number,) * 3).save(file, "jpeg")
            archive.writestr(f"img_align_celeba/{name}", file.getvalue())
    there = {name: str(folder / name) for name in lists} | {"img_align_celeba": str(folder / "img_align_celeba.zip")}
    monkeypatch.setattr(tfds.download.DownloadManager, "download", lambda *args: there)


def test_each_attribute_is_a_problem_of_the_same_faces(celeba_download, tmp_path):
    smiling, bald = (PROBLEMS[f"celeba_{name}"].source for name in ("smiling", "bald"))
    assert smiling.download_bytes(tmp_path) > 10**9
    smiling.fetch(tmp_path)
    assert bald.present(tmp_path) and bald.download_bytes(tmp_path) == 0
    assert smiling.splits(tmp_path) == (TRAIN, DEV, TEST)
    train = list(smiling.examples(TRAIN, tmp_path))
    assert sorted(example.values["targets"] for example in train) == ["no", "yes"]
    assert Image.open(io.BytesIO(train[0].values["inputs"])).size == (178, 218)
    assert [example.values["targets"] for example in smiling.examples(DEV, tmp_path)] == ["no"]
    assert [example.values["targets"] for example in smiling.examples(TEST, tmp_path)] == ["yes"]
    assert {example.values["targets"] for example in bald.examples(TRAIN, tmp_path)} == {"no"}
    assert [e.id for e in bald.examples(TRAIN, tmp_path)] == [e.id for e in train]


def test_there_are_forty_of_them_and_those_of_the_builder():
    from tensorflow_datasets.datasets.celeb_a.celeb_a_dataset_builder import ATTR_HEADINGS

    names = [name for name in PROBLEMS if name.startswith("celeba_")]
    assert len(names) == 40 and names == sorted(f"celeba_{attribute.lower()}" for attribute in ATTR_HEADINGS)
