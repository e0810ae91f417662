"""The real builders of TensorFlow Datasets, on tiny archives in the layouts in which the corpora come."""

import io
import tarfile

import numpy as np
import pytest
from PIL import Image

from t2t_mm.data.sources.tfds import Tfds
from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, TRAIN

pytestmark = pytest.mark.filterwarnings("ignore")  # TFDS and what it imports warn of one another

IMAGENET = Tfds(
    "imagenet2012",
    image="image",
    label="label",
    name="file_name",
    dev="validation",
    manual=("ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"),
    homepage="example.org/imagenet",
)
CIFAR10 = Tfds("cifar10", image="image", label="label", name="id", dev="test")
CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def jpeg(grey: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (grey, grey, grey)).save(file, "jpeg")
    return file.getvalue()


def tar(files: dict[str, bytes]) -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return whole.getvalue()


@pytest.fixture
def imagenet_archives(tmp_path):
    """Two classes of two pictures each and one picture to validate, packed as ILSVRC packs them."""
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
    # The first picture of the validation part shows a snake, n01751748, by the list of labels that TFDS carries.
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
    """The binary version of CIFAR-10, two pictures a file, where its download would be unpacked."""
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
    picture = Image.open(io.BytesIO(train["train_00003"]["inputs"]))
    assert train["train_00003"]["targets"] == "truck"
    assert picture.format == "PNG" and np.array_equal(np.unique(np.asarray(picture)), [19]) and picture.size == (32, 32)
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
