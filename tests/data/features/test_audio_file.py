"""Audio of many kinds to 16 kHz, one channel, 16 bits."""

import io

import numpy as np
import pytest
import soundfile
from scipy.signal import resample_poly

from t2t_mm.data.features import audio_file as audio_file_module
from t2t_mm.data.features.audio_file import RATE, AudioClip, as_wav, decode_audio
from t2t_mm.errors import UserError


def sine(seconds=0.5, rate=RATE, hertz=440.0, loud=0.5):
    return loud * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def file_of(samples_NC, rate=RATE, form="WAV", subtype=None):
    buffer = io.BytesIO()
    soundfile.write(buffer, samples_NC, rate, format=form, subtype=subtype)
    return buffer.getvalue()


def loudest_hertz(samples_N):
    return np.abs(np.fft.rfft(samples_N)).argmax() * RATE / len(samples_N)


def test_16_bit_samples_at_16_khz_are_kept_as_they_are():
    samples_N = np.array([0, 1, -1, 32767, -32768, 1234], np.int16)
    np.testing.assert_array_equal(decode_audio(as_wav(samples_N)), samples_N)
    np.testing.assert_array_equal(decode_audio(AudioClip(samples_N, RATE)), samples_N)


@pytest.mark.parametrize("form", ["WAV", "FLAC", "OGG", "MP3"])
def test_files_of_four_kinds_are_read(form):
    samples_N = decode_audio(file_of(sine(), form=form))
    assert samples_N.dtype == np.int16
    assert abs(len(samples_N) - 8000) <= 2500  # MP3 adds silence at both ends
    assert loudest_hertz(samples_N) == pytest.approx(440, abs=3)
    assert abs(int(np.abs(samples_N).max()) - 16384) < 1500


@pytest.mark.parametrize("rate", [4000, 8000, 11025, 22050, 44100, 48000, 192000])
def test_other_rates_are_resampled_to_the_same_length_of_time_and_pitch(rate):
    samples_N = decode_audio(file_of(sine(1.0, rate), rate))
    assert abs(len(samples_N) - RATE) <= 1
    assert loudest_hertz(samples_N) == pytest.approx(440, abs=1)


@pytest.mark.parametrize("rate", [8000, 44100])
def test_resampling_is_scipys_with_the_filter_that_it_designs_by_itself(rate):
    samples_N = sine(0.2, rate)
    expected_N = resample_poly(samples_N, RATE, rate)
    np.testing.assert_array_equal(decode_audio(AudioClip(samples_N, rate)), np.rint(expected_N * 2**15))


def test_channels_are_averaged():
    left_right = np.stack([np.full(100, 0.5), np.full(100, -0.25)], axis=1)
    np.testing.assert_array_equal(decode_audio(AudioClip(left_right, RATE)), np.full(100, 4096))  # 0.125 x 2^15


def test_what_is_louder_than_full_is_clipped_and_not_wrapped():
    np.testing.assert_array_equal(decode_audio(AudioClip(np.array([2.0, -2.0]), RATE)), [32767, -32768])


def test_an_audio_clip_of_24_bits_keeps_its_loudness():
    samples_N = decode_audio(file_of(sine(loud=0.25), subtype="PCM_24"))
    assert abs(int(samples_N.max()) - 8192) <= 2


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (b"", "This is not a readable audio file: an empty file"),
        (b"not audio at all..", "This is not a readable audio file: 18 bytes that begin with b'not audi'"),
        (file_of(sine())[:40], "not a readable|is empty"),
        (file_of(np.zeros(0)), "The audio is empty: it has no samples."),
        (file_of(np.zeros((100, 9))), "The audio has 9 channels; up to 8 are supported. Mix it down."),
        (
            file_of(np.zeros(100), 2000),
            "The audio has 2,000 samples a second; 4,000 to 192,000 are supported. Resample it.",
        ),
        (file_of(np.array([0, np.nan, 0]), subtype="FLOAT"), "Sample 1 of the audio is not finite"),
        (AudioClip(np.array([0, 0, np.inf]), RATE), "Sample 2 of the audio is not finite"),
        ("speech.wav", "An audio clip must be the bytes of its file; received str: 'speech.wav'"),
    ],
    ids=["empty file", "text", "cut off", "no samples", "channels", "rate", "no number", "infinite", "a name"],
)
def test_what_can_not_be_used_is_refused_in_one_sentence(value, sentence):
    with pytest.raises(UserError, match=sentence):
        decode_audio(value)


def test_overlong_audio_is_refused_before_all_of_it_is_read(monkeypatch):
    monkeypatch.setattr(audio_file_module, "MOST_SECONDS", 0.25)
    read = []
    original = soundfile.SoundFile.read
    monkeypatch.setattr(
        soundfile.SoundFile, "read", lambda self, frames, **rest: read.append(frames) or original(self, frames, **rest)
    )
    with pytest.raises(UserError, match=r"The audio is longer than 0.25 seconds. Cut it into pieces."):
        decode_audio(file_of(sine(0.5)))
    assert read == [4001]
    assert len(decode_audio(file_of(sine(0.25)))) == 4000
