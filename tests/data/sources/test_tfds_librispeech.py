"""LibriSpeech through the real builder of TensorFlow Datasets, from tiny archives laid out as OpenSLR's."""

import importlib.util
import io
import shutil
import sys
from dataclasses import replace
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import soundfile

from t2t_mm.data.features.audio_file import decode_audio
from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, TEST, TRAIN
from t2t_mm.registry import PROBLEMS

pytestmark = pytest.mark.filterwarnings("ignore")  # TFDS and what it imports warn of one another

_, DEFAULT, LAZY = PROBLEMS["speech_librispeech"].source.sources
CHAPTERS = {
    "train-clean-100": "103-1240",
    "train-clean-360": "100-121669",
    "train-other-500": "20-205",
    "dev-clean": "84-121123",
    "dev-other": "116-288045",
    "test-clean": "61-70968",
    "test-other": "367-130732",
}
TRAINED = [f"{CHAPTERS[part]}-0000" for part in CHAPTERS if part.startswith("train")]


def samples(id):
    return (np.arange(400) % 97 * (int(id.split("-")[0]) + 1)).astype(np.int16)


def archive(url, tarred):
    part = url.rsplit("/", 1)[-1].removesuffix(".tar.gz")
    speaker, chapter = CHAPTERS[part].split("-")
    audio = io.BytesIO()
    soundfile.write(audio, samples(CHAPTERS[part]), 16000, format="FLAC", subtype="PCM_16")
    folder = f"LibriSpeech/{part}/{speaker}/{chapter}"
    return tarred(
        {
            "LibriSpeech/SPEAKERS.TXT": f";ID|SEX\n{speaker} | F | {part} | 25.03 | A Name\n".encode(),
            "LibriSpeech/CHAPTERS.TXT": f"{chapter} | {speaker} | 5.6 | {part} | 1 | 2 | One | Two\n".encode(),
            f"{folder}/{speaker}-{chapter}.trans.txt": f"{speaker}-{chapter}-0000 HE READ {speaker}\n".encode(),
            f"{folder}/{speaker}-{chapter}-0000.flac": audio.getvalue(),
        }
    )


def check(source, tmp_path):
    assert source.splits(tmp_path) == (TRAIN, DEV, TEST)
    train = {e.id: e.values for e in source.examples(TRAIN, tmp_path)}
    assert sorted(train) == sorted(TRAINED)
    for id, values in train.items():
        np.testing.assert_array_equal(decode_audio(values["inputs"]), samples(id))
        assert values["targets"] == f"HE READ {id.split('-')[0]}"
    assert [e.id for e in source.examples(DEV, tmp_path)] == ["84-121123-0000"]
    assert [e.id for e in source.examples(TEST, tmp_path)] == ["61-70968-0000"]


@pytest.fixture
def requested(hand_downloads, tarred):
    return hand_downloads(lambda url: archive(url, tarred))


def test_the_default_kind_is_fetched_when_asked_and_read(requested, bytes_of, tmp_path, monkeypatch):
    from tensorflow_datasets.core.features import audio_feature

    # In place of pydub, which asks ffmpeg: both read the same samples of a FLAC file.
    monkeypatch.setattr(audio_feature, "_pydub_load_audio", lambda file, *_: soundfile.read(file, dtype="int16")[0])
    source = replace(DEFAULT, modules=(), programs=())
    size = source.download_bytes(tmp_path)
    source.fetch(tmp_path)
    assert size == bytes_of(requested)
    check(source, tmp_path)


@pytest.mark.skipif(
    shutil.which("ffmpeg") is None or importlib.util.find_spec("pydub") is None, reason="no ffmpeg or no pydub here"
)
def test_the_default_kind_is_fetched_by_means_of_pydub_and_ffmpeg(requested, tmp_path):
    DEFAULT.fetch(tmp_path)
    check(PROBLEMS["speech_librispeech"].source, tmp_path)


def test_the_lazy_kind_is_read_undecoded(requested, tmp_path, monkeypatch):
    stand_in = ModuleType("tensorflow_io")  # TFDS looks for it to make this builder; undecoded reading calls nothing
    stand_in.__spec__ = ModuleSpec("tensorflow_io", None)
    stand_in.audio = SimpleNamespace(decode_flac=None)
    monkeypatch.setitem(sys.modules, "tensorflow_io", stand_in)
    LAZY.fetch(tmp_path)
    check(LAZY, tmp_path)


def test_what_tfds_needs_beyond_itself_is_asked_for_before_anything_is_fetched(requested, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="needs pydub and ffmpeg to prepare .*, but there is no .*ffmpeg"):
        PROBLEMS["speech_librispeech"].source.fetch(tmp_path)
    assert not requested
