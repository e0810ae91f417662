"""The real builders of TensorFlow Datasets, on tiny archives in the layouts in which the corpora come."""

import io
import json
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from t2t_mm.data.sources.tfds import ClassName, Encoded, Lines, Tfds
from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, TEST, TRAIN
from t2t_mm.registry import PROBLEMS

pytestmark = pytest.mark.filterwarnings("ignore")  # TFDS and what it imports warn of one another

IMAGENET = Tfds(
    "imagenet2012",
    inputs=Encoded("image"),
    targets=ClassName("label"),
    name="file_name",
    dev="validation",
    manual=("ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"),
    homepage="example.org/imagenet",
)
CIFAR10 = Tfds("cifar10", inputs=Encoded("image"), targets=ClassName("label"), name="id", dev="test")
COCO = Tfds(
    "coco_captions/2014",
    inputs=Encoded("image"),
    targets=Lines("captions", text="text"),
    name="image/filename",
    train="train+restval",
    dev="val",
    test="test",
)
CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def jpeg(grey: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (grey, grey, grey)).save(file, "jpeg")
    return file.getvalue()


def tar(files: dict[str, bytes]) -> bytes:
    complete = io.BytesIO()
    with tarfile.open(fileobj=complete, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return complete.getvalue()


@pytest.fixture
def imagenet_archives(tmp_path):
    """Two classes of two images each and one image to validate, packed as ILSVRC packs them."""
    manual = tmp_path / "tensorflow_datasets" / "downloads" / "manual"
    manual.mkdir(parents=True)
    classes = {
        f"{wnid}.tar": tar({f"{wnid}_{number}.JPEG": jpeg(grey + number) for number in (1, 2)})
        for wnid, grey in (("n01440764", 10), ("n15075141", 200))
    }
    (manual / "ILSVRC2012_img_train.tar").write_bytes(tar(classes))
    (manual / "ILSVRC2012_img_val.tar").write_bytes(tar({"ILSVRC2012_val_00000001.JPEG": jpeg(77)}))
    return manual


def test_imagenet_is_prepared_from_its_archives_and_read_undecoded(imagenet_archives, tmp_path):
    assert IMAGENET.present(tmp_path)
    assert IMAGENET.splits(tmp_path) == (TRAIN, DEV)
    train = {e.id: (e.values["inputs"], e.values["targets"]) for e in IMAGENET.examples(TRAIN, tmp_path)}
    assert train == {
        "n01440764_1.JPEG": (jpeg(11), "n01440764"),
        "n01440764_2.JPEG": (jpeg(12), "n01440764"),
        "n15075141_1.JPEG": (jpeg(201), "n15075141"),
        "n15075141_2.JPEG": (jpeg(202), "n15075141"),
    }
    (dev,) = IMAGENET.examples(DEV, tmp_path)
    # The first image of the validation part shows a snake, n01751748, by the list of labels that TFDS carries.
    assert (dev.id, dev.values) == ("ILSVRC2012_val_00000001.JPEG", {"inputs": jpeg(77), "targets": "n01751748"})
    classes = IMAGENET.classes(tmp_path)
    assert len(classes) == 1000 and classes == tuple(sorted(classes))

    for archive in imagenet_archives.iterdir():
        archive.unlink()
    assert IMAGENET.present(tmp_path)  # what is prepared needs no archives
    assert [e.id for e in IMAGENET.examples(TRAIN, tmp_path)] == list(train)


def test_imagenet_needs_both_archives_and_says_where(imagenet_archives, tmp_path):
    (imagenet_archives / "ILSVRC2012_img_val.tar").unlink()
    assert not IMAGENET.present(tmp_path)
    IMAGENET.fetch(tmp_path)  # there is nothing to download
    with pytest.raises(UserError) as refusal:
        IMAGENET.splits(tmp_path)
    for part in (str(imagenet_archives), "ILSVRC2012_img_train.tar or ILSVRC2012_img_val.tar", "example.org/imagenet"):
        assert part in str(refusal.value)


def test_a_broken_archive_is_refused(imagenet_archives, tmp_path):
    (imagenet_archives / "ILSVRC2012_img_val.tar").write_bytes(b"no archive")
    with pytest.raises(UserError, match="TFDS could not prepare imagenet2012"):
        IMAGENET.splits(tmp_path)
    assert not list((tmp_path / "tensorflow_datasets" / "imagenet2012").glob("*/dataset_info.json"))


def test_nothing_is_downloaded_unasked(tmp_path, monkeypatch):
    import tensorflow_datasets as tfds

    def refuse(*args, **kwargs):
        raise AssertionError("a download was tried")

    monkeypatch.setattr(tfds.download.DownloadManager, "download_and_extract", refuse)
    assert not CIFAR10.present(tmp_path)
    with pytest.raises(UserError, match="pass --generate_data to download it"):
        CIFAR10.splits(tmp_path)
    with pytest.raises(UserError, match="pass --generate_data to download it"):
        next(CIFAR10.examples(TRAIN, tmp_path))


@pytest.fixture
def cifar10_download(tmp_path, monkeypatch):
    """The binary version of CIFAR-10, two images a file, where its download would be unpacked."""
    import tensorflow_datasets as tfds

    folder = tmp_path / "unpacked" / "cifar-10-batches-bin"
    folder.mkdir(parents=True)
    (folder / "batches.meta.txt").write_text("\n".join(CIFAR10_CLASSES) + "\n")
    for number, name in enumerate([*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin"]):
        rows = [bytes([label]) + bytes([10 * number + label]) * 3072 for label in (3, 9)]
        (folder / name).write_bytes(b"".join(rows))
    monkeypatch.setattr(tfds.download.DownloadManager, "download_and_extract", lambda *args: str(folder.parent))


def test_cifar10_is_fetched_when_asked_and_read_undecoded(cifar10_download, tmp_path):
    CIFAR10.fetch(tmp_path)
    assert CIFAR10.present(tmp_path)
    assert CIFAR10.splits(tmp_path) == (TRAIN, DEV)
    assert CIFAR10.classes(tmp_path) == CIFAR10_CLASSES
    train = {e.id: e.values for e in CIFAR10.examples(TRAIN, tmp_path)}
    assert len(train) == 10
    image = Image.open(io.BytesIO(train["train_00003"]["inputs"]))
    assert train["train_00003"]["targets"] == "truck"
    assert image.format == "PNG" and np.array_equal(np.unique(np.asarray(image)), [19]) and image.size == (32, 32)
    assert [e.values["targets"] for e in CIFAR10.examples(DEV, tmp_path)].count("cat") == 1


def test_the_newest_prepared_version_is_read(cifar10_download, tmp_path):
    CIFAR10.fetch(tmp_path)
    (version,) = (tmp_path / "tensorflow_datasets" / "cifar10").iterdir()
    old, half = version.with_name("1.10.0"), version.with_name("9.0.0.incompleteABC")
    version.rename(old)
    old.joinpath("dataset_info.json").write_text(
        old.joinpath("dataset_info.json").read_text().replace(version.name, "1.10.0")
    )
    half.mkdir()
    half.joinpath("dataset_info.json").touch()
    version.with_name("1.9.0").mkdir()
    version.with_name("1.9.0").joinpath("dataset_info.json").touch()
    assert len(list(CIFAR10.examples(TRAIN, tmp_path))) == 10


COCO_PICTURES = {  # COCO's part, id, Karpathy and Li's part
    "train": (("train2014", 9), ("train2014", 25)),
    "restval": (("val2014", 42),),
    "val": (("val2014", 73),),
    "test": (("val2014", 74),),
}


def coco_name(part: str, id: int) -> str:
    return f"COCO_{part}_{id:012d}.jpg"


def coco_archive(url: str) -> bytes:
    """A small archive in place of what `url` leads to, laid out as COCO and Karpathy lay theirs out."""
    name = url.rsplit("/", 1)[-1].removesuffix(".zip")
    images = [image for images in COCO_PICTURES.values() for image in images]

    def entries(part: str) -> list[dict]:
        return [{"id": id, "file_name": coco_name(p, id), "height": 8, "width": 8} for p, id in images if p == part]

    if name in ("train2014", "val2014"):
        files = {f"{name}/{coco_name(part, id)}": jpeg(id) for part, id in images if part == name}
    elif name == "annotations_trainval2014":
        kinds = [{"id": number, "name": f"thing {number}"} for number in range(80)]
        box = {"id": 1, "image_id": 9, "area": 4, "bbox": [1, 2, 2, 2], "category_id": 3, "iscrowd": 0}
        files = {
            f"annotations/instances_{part}.json": json.dumps(
                {"categories": kinds, "images": entries(part), "annotations": [box] if part == "train2014" else []}
            ).encode()
            for part in ("train2014", "val2014")
        }
    elif name == "caption_datasets":
        listed = [
            {
                "split": split,
                "filename": coco_name(part, id),
                "sentences": [
                    {"sentid": 10 * id, "raw": f"A thing {id}."},
                    {"sentid": id, "raw": "Caf\u00e9\nat sea.\n"},
                ],
            }
            for split, images in COCO_PICTURES.items()
            for part, id in images
        ]
        files = {"dataset_coco.json": json.dumps({"images": listed}).encode(), "dataset_flickr8k.json": b"{}"}
    elif name.startswith("image_info_"):
        files = {f"annotations/{name}.json": json.dumps({"categories": [], "images": []}).encode()}
    else:
        files = {f"{name}/readme.txt": b"images for a test without captions"}
    complete = io.BytesIO()
    with zipfile.ZipFile(complete, "w") as archive:
        for file, content in files.items():
            archive.writestr(file, content)
    return complete.getvalue()


@pytest.fixture
def coco_downloads(hand_downloads):
    return hand_downloads(lambda url: coco_archive(url))


def test_coco_captions_are_fetched_when_asked_and_read_with_all_captions(coco_downloads, bytes_of, tmp_path):
    assert not COCO.present(tmp_path)
    COCO.fetch(tmp_path)
    assert PROBLEMS["image_captions_coco"].source.download_bytes(tmp_path / "bare") == bytes_of(coco_downloads)
    assert COCO.present(tmp_path) and COCO.splits(tmp_path) == (TRAIN, DEV, TEST)
    assert COCO.classes(tmp_path) == ()
    read = {split: {e.id: e.values for e in COCO.examples(split, tmp_path)} for split in (TRAIN, DEV, TEST)}
    assert set(read[TRAIN]) == {coco_name("train2014", 9), coco_name("train2014", 25), coco_name("val2014", 42)}
    assert list(read[DEV]) == [coco_name("val2014", 73)] and list(read[TEST]) == [coco_name("val2014", 74)]
    assert read[TRAIN][coco_name("train2014", 9)] == {
        "inputs": jpeg(9),  # undecoded
        "targets": ("A thing 9.", "Caf\u00e9 at sea."),
    }
    order = [e.id for e in COCO.examples(TRAIN, tmp_path)]
    assert order == list(read[TRAIN])
    assert [COCO.count(split, tmp_path) for split in (TRAIN, DEV, TEST)] == [3, 1, 1]
    for start in range(5):
        assert [e.id for e in COCO.examples_from(TRAIN, tmp_path, start)] == order[start:]
    (prepared,) = (tmp_path / "tensorflow_datasets" / "coco_captions" / "2014").iterdir()
    assert prepared.name == "1.1.0"
    elsewhere = tmp_path / "elsewhere" / "tensorflow_datasets" / "coco_captions" / "2014"
    elsewhere.mkdir(parents=True)
    prepared.rename(elsewhere / "1.1.0")  # as a user does who prepared it on another machine
    assert [e.id for e in COCO.examples(TRAIN, tmp_path / "elsewhere")] == order


def test_a_download_that_is_no_archive_is_refused(coco_downloads, tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "coco_archive", lambda url: b"<html>not found</html>")
    with pytest.raises(UserError, match="TFDS could not prepare coco_captions/2014"):
        COCO.fetch(tmp_path)
    assert not COCO.present(tmp_path)
