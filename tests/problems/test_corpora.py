"""The real corpora, each in the layout in which its users have it, a few items of each."""

import gzip
import io
import json
import zipfile

import numpy as np
import pytest
import soundfile
from PIL import Image

from t2t_mm.data.datagen.generate import generate, inspect
from t2t_mm.data.input.generated_problem import open_problem
from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, TEST, TRAIN
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
                file.writestr(f"CIFAR-10-images-master/{name}" if "master" in archive else name, b"image")
    else:
        for name in names:
            (tmp_path / "cifar10" / name).parent.mkdir(parents=True)
            (tmp_path / "cifar10" / name).write_bytes(b"image")
    source = PROBLEMS["image_cifar10"].source
    assert source.classes(tmp_path) == ("cat", "dog")
    assert [e.id for e in source.examples(DEV, tmp_path)] == ["test/cat/0000.jpg", "test/dog/0000.jpg"]
    assert first("image_cifar10", TRAIN, tmp_path) == {"inputs": b"image", "targets": "cat"}


@pytest.mark.parametrize("folder", ["imagenet/train", "imagenet_sample"])
def test_imagenet_is_read_from_class_folders(tmp_path, folder):
    for number in range(40):
        wnid = f"n{number:08d}"
        (tmp_path / folder / wnid).mkdir(parents=True)
        (tmp_path / folder / wnid / f"{wnid}_1.JPEG").write_bytes(b"image")
    source = PROBLEMS["image_imagenet"].source
    assert len(source.classes(tmp_path)) == 40  # those held out by hash, too
    assert sum(len(list(source.examples(split, tmp_path))) for split in (TRAIN, DEV)) == 40


IDS = [f"10{number}_ab" for number in range(40)]
PICTURE = io.BytesIO()
Image.new("RGB", (8, 8), (9, 99, 199)).save(PICTURE, "jpeg")


def audio(seconds: float, rate: int = 8000, format: str = "wav") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.sin(np.arange(int(seconds * rate)) / 9) / 2, rate, format=format)
    return file.getvalue()


@pytest.fixture
def corpora(tmp_path):
    """A small corpus of each kind with images or audio clips, in the layout in which its users have it."""
    for folder in ("flickr8k/Images", "spoken_captions/audio", "coco/annotations", "fsdd/recordings"):
        (tmp_path / folder).mkdir(parents=True)
    captions, transcripts = ["image,caption"], []
    for number, id in enumerate(IDS):
        (tmp_path / "flickr8k" / "Images" / f"{id}.jpg").write_bytes(PICTURE.getvalue())
        captions += [f'{id}.jpg,"A dog , barking ."', f"{id}.jpg,A loud dog ."]
        suffix = ("ogg", "flac", "mp3", "wav")[number % 4]
        (tmp_path / "spoken_captions" / "audio" / f"{id}.{suffix}").write_bytes(audio(0.2, 16000, suffix))
        transcripts.append(f"{id}\tA dog , barking .")
    (tmp_path / "flickr8k" / "captions.txt").write_text("\n".join(captions))
    (tmp_path / "spoken_captions" / "transcripts.tsv").write_text("\n".join(transcripts))
    for part in ("train2017", "val2017"):
        (tmp_path / "coco" / part).mkdir()
        (tmp_path / "coco" / part / "000000000007.jpg").write_bytes(PICTURE.getvalue())
        listed = {
            "images": [{"id": 7, "file_name": "000000000007.jpg"}],
            "annotations": [{"image_id": 7, "id": n, "caption": text} for n, text in enumerate(("A dog.", "A hound."))],
        }
        (tmp_path / "coco" / "annotations" / f"captions_{part}.json").write_text(json.dumps(listed))
    for take in (0, 5, 10):
        for digit in (3, 7):
            (tmp_path / "fsdd" / "recordings" / f"{digit}_theo_{take}.wav").write_bytes(audio(0.1))
    return tmp_path


@pytest.mark.parametrize(
    ("name", "split", "targets"),
    [
        ("image_captions_flickr8k", DEV, ("A dog , barking .", "A loud dog .")),
        ("image_captions_coco", DEV, ("A dog.", "A hound.")),
        ("speech_digits", TEST, "three"),
        ("speech_captions", DEV, "A dog , barking ."),
    ],
)
def test_a_corpus_of_images_or_audio_becomes_records_and_comes_back(corpora, name, split, targets):
    generate({name: PROBLEMS[name]}, corpora / "data", corpora, report=lambda line: None)
    ready = open_problem(name, PROBLEMS[name], corpora / "data")
    assert split in ready.manifest.splits
    assert first(name, split, corpora)["targets"] == targets
    shown = inspect(ready, split, 1)
    assert shown[-1].endswith(f": {targets if isinstance(targets, str) else targets[0]}")


def test_digit_strings_are_digits_of_one_speaker_in_a_row(corpora):
    source = PROBLEMS["speech_digit_strings"].source
    assert source.splits(corpora) == (TRAIN, DEV, TEST)
    assert [sum(1 for _ in source.examples(split, corpora)) for split in (TRAIN, DEV, TEST)] == [3000, 300, 300]
    values = first("speech_digit_strings", DEV, corpora)
    words = values["targets"].split()
    assert set(words) <= {"three", "seven"} and 3 <= len(words) <= 7
    seconds = len(values["inputs"].samples_NC) / values["inputs"].rate
    assert 0.1 * len(words) + 0.05 * (len(words) - 1) <= seconds <= 0.1 * len(words) + 0.2 * (len(words) - 1)


def test_an_image_and_its_spoken_caption_are_in_the_same_split(corpora):
    for split in (TRAIN, DEV):
        images, audio = (
            [e.id for e in PROBLEMS[name].source.examples(split, corpora)]
            for name in ("image_captions_flickr8k", "speech_captions")
        )
        assert images == audio and images


def bomb() -> bytes:
    """An image of 100 million pixels in few bytes."""
    file = io.BytesIO()
    Image.new("1", (10_000, 10_000)).save(file, "png")
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "file", "example", "content", "message"),
    [
        ("image_captions_flickr8k", f"flickr8k/Images/{IDS[3]}.jpg", IDS[3], bomb, "more than 89 million pixels"),
        ("image_captions_flickr8k", f"flickr8k/Images/{IDS[3]}.jpg", IDS[3], lambda: b"", "not a readable image"),
        ("image_captions_coco", "coco/val2017/000000000007.jpg", "val2017/000000000007.jpg", bomb, "million pixels"),
        ("speech_digits", "fsdd/recordings/7_theo_5.wav", "7_theo_5", lambda: audio(121, 4000), "longer than 120 sec"),
        ("speech_digits", "fsdd/recordings/7_theo_5.wav", "7_theo_5", lambda: audio(0), "empty"),
        ("speech_digits", "fsdd/recordings/7_theo_5.wav", "7_theo_5", lambda: b"RIFF....", "not a readable audio file"),
        ("speech_captions", f"spoken_captions/audio/{IDS[0]}.ogg", IDS[0], lambda: audio(1, 1000), "samples a second"),
    ],
)
def test_what_no_record_should_hold_is_refused_by_the_examples_name_in_one_sentence(
    corpora, name, file, example, content, message
):
    (corpora / file).write_bytes(content())
    with pytest.raises(UserError) as refusal:
        generate({name: PROBLEMS[name]}, corpora / "data", corpora, report=lambda line: None)
    assert str(refusal.value).startswith(f"Example {example} can't be stored: ")
    assert message in str(refusal.value) and "\n" not in str(refusal.value)
    assert not (corpora / "data" / name).exists()


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("image_cifar10", ["cifar10", "cifar10/cifar10_train.zip", "tensorflow_datasets/cifar10"]),
        ("image_imagenet", ["imagenet", "imagenet_sample", "tensorflow_datasets/downloads/manual"]),
        ("image_captions_flickr8k", ["flickr8k", "flickr8k_1k"]),
        ("image_captions_coco", ["coco", "coco_mini", "tensorflow_datasets/coco_captions"]),
        ("speech_digits", ["fsdd/recordings", "free-spoken-digit-dataset/recordings"]),
        ("speech_digit_strings", ["fsdd/recordings", "free-spoken-digit-dataset/recordings"]),
        ("speech_captions", ["spoken_captions"]),
        ("parsing_wsj", ["treebank"]),
        ("translate_enfr_multi30k", ["multi30k"]),
    ],
)
def test_a_missing_corpus_is_told_by_every_place_looked_for(tmp_path, name, places):
    with pytest.raises(UserError) as refusal:
        PROBLEMS[name].source.splits(tmp_path)
    for place in places:
        assert str(tmp_path / place) in str(refusal.value)
