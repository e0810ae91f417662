"""Audio as a feature."""

import numpy as np
import pytest

from t2t_mm.data.features import input_file
from t2t_mm.data.features.audio import Audio
from t2t_mm.data.features.audio_file import AudioClip, as_wav
from t2t_mm.data.features.log_mel import log_mel
from t2t_mm.errors import UserError
from t2t_mm.feature import ArraySpec, Port
from t2t_mm.hparam_set import DataHparams

NOISE_N = np.random.default_rng(0).integers(-9000, 9000, 1000).astype(np.int16)  # 62.5 ms: 7 frames


@pytest.fixture
def spectral(tmp_path):
    return Audio().open(tmp_path)


@pytest.fixture
def waveform(tmp_path):
    return Audio("waveform").open(tmp_path)


def test_an_audio_clip_is_stored_as_its_samples_and_comes_back_as_a_file(spectral):
    stored = spectral.store(as_wav(NOISE_N))
    assert stored == spectral.store(AudioClip(NOISE_N, 16000)) == NOISE_N.astype("<i2").tobytes()
    assert spectral.store(spectral.value(stored)) == stored
    assert spectral.length(stored) == 7


def test_a_batch_of_spectra_is_padded_behind_and_knows_its_lengths(spectral):
    values = [spectral.load(spectral.store(AudioClip(NOISE_N[:n], 16000)), DataHparams(), None) for n in (1000, 170)]
    np.testing.assert_array_equal(values[0], log_mel(NOISE_N))
    batch = spectral.batch(values, rows=3, length=8)
    assert batch["frames"].shape == (3, 8, 80) and batch["frames"].dtype == np.float32
    assert batch["lengths"].tolist() == [7, 2, 0]
    np.testing.assert_array_equal(batch["frames"][0, :7], values[0])
    assert not batch["frames"][0, 7:].any() and not batch["frames"][1, 2:].any() and not batch["frames"][2].any()
    assert spectral.spec(DataHparams()) == {
        "frames": ArraySpec("float32", (None, None, 80)),
        "lengths": ArraySpec("int32", (None,)),
    }


def test_a_batch_of_waveforms_has_160_samples_a_frame_at_mean_0_and_variance_1(waveform):
    value_N = waveform.load(waveform.store(AudioClip(NOISE_N, 16000)), DataHparams(), None)
    assert (value_N.mean(), value_N.std()) == (pytest.approx(0, abs=1e-5), pytest.approx(1, abs=1e-5))
    batch = waveform.batch([value_N], rows=2, length=7)
    assert batch["samples"].shape == (2, 1120)
    assert batch["lengths"].tolist() == [1000, 0]
    silent_N = waveform.load(waveform.store(AudioClip(np.zeros(50, np.int16), 16000)), DataHparams(), None)
    assert not silent_N.any()
    assert waveform.spec(DataHparams())["samples"] == ArraySpec("float32", (None, None))


def test_a_body_position_holds_as_much_as_the_halvings_say(spectral, waveform):
    assert spectral.positions(17, DataHparams(audio_halvings=3)) == 3  # 17 frames, 9, 5, 3
    assert spectral.positions(16, DataHparams(audio_halvings=3)) == 2
    assert spectral.positions(17, DataHparams(audio_halvings=3, audio_flatten=True)) == 240
    assert waveform.positions(13, DataHparams(waveform_halvings=10)) == 3  # 2,080 samples / 1,024


def test_audio_longer_than_audio_seconds_is_too_long(spectral):
    assert spectral.longest(DataHparams(audio_seconds=2.5)) == 250


def test_the_two_forms_have_nets_of_their_own(spectral, waveform):
    assert spectral.port == Port("audio_spectral", "audio_spectral", 0)
    assert waveform.port == Port("audio_waveform", "audio_waveform", 0)
    with pytest.raises(UserError, match="form is 'spectral' or 'waveform'; received 'mfcc'"):
        Audio("mfcc")


def test_people_are_told_how_long_an_audio_clip_is(spectral, waveform):
    stored = spectral.store(AudioClip(np.zeros(24000, np.int16), 16000))
    for codec in (spectral, waveform):
        assert codec.show(codec.load(stored, DataHparams(), None)) == "an audio clip of 1.5 s"


def test_a_line_names_a_file(spectral, tmp_path):
    (tmp_path / "hello.wav").write_bytes(as_wav(NOISE_N))
    assert spectral.parse("hello.wav ", tmp_path) == as_wav(NOISE_N)


def test_a_file_that_is_missing_no_file_or_huge_is_not_read(spectral, tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"The audio file .*/gone.wav can't be read: No such file or directory."):
        spectral.parse("gone.wav", tmp_path)
    with pytest.raises(UserError, match=r"The audio file /dev/zero is not a regular file."):
        spectral.parse("/dev/zero", tmp_path)
    (tmp_path / "long.wav").write_bytes(bytes(101))
    monkeypatch.setattr(input_file, "MOST_BYTES", 100)
    with pytest.raises(UserError, match=r"The audio file .*long.wav has 101 bytes; the limit is 100."):
        spectral.parse("long.wav", tmp_path)
    with pytest.raises(UserError, match="can't be read: embedded null byte"):
        spectral.parse("a\0b.wav", tmp_path)


def test_an_audio_clip_holds_no_symbols_for_a_unigram_baseline(spectral):
    assert spectral.symbols(spectral.store(AudioClip(NOISE_N, 16000))).size == 0


def test_a_value_that_is_not_audio_is_refused(spectral):
    with pytest.raises(
        UserError, match="An audio clip must be the bytes of its file, or an AudioClip; received ndarray."
    ):
        spectral.store(NOISE_N)
