"""Log-mel spectra."""

import numpy as np
import pytest

from t2t_mm.data.features.log_mel import BINS, frames_in, log_mel, mel_filters

FREQUENCIES = np.arange(257) * 31.25  # Hz, of the 512-point transform's bins


def tone(hertz, samples=16000, loud=8000):
    return (loud * np.sin(2 * np.pi * hertz * np.arange(samples) / 16000)).astype(np.int16)


@pytest.mark.parametrize(("samples", "frames"), [(1, 1), (160, 1), (161, 2), (400, 3), (16000, 100)])
def test_there_is_a_frame_for_every_10_ms_begun(samples, frames):
    assert frames_in(samples) == frames
    assert log_mel(tone(500, samples)).shape == (frames, 80)


def test_bins_are_triangles_equally_spaced_in_mel():
    filters_FB = mel_filters()
    assert filters_FB.shape == (257, BINS)
    # 20 Hz is 31.75 mel and 8 kHz 2,840.04: corners 34.67 mel apart, so bin 39's peak is at 31.75 + 40 x 34.67 =
    # 1,418.5 mel, which is 700 (exp(1418.5 / 1127) - 1) = 1,764 Hz.
    assert FREQUENCIES[filters_FB[:, 39].argmax()] == pytest.approx(1764, abs=31.25 / 2)
    assert (filters_FB >= 0).all() and (filters_FB <= 1).all()
    assert (filters_FB.sum(axis=0) > 0).all()  # no bin is deaf
    assert filters_FB[FREQUENCIES < 20].sum() == 0


@pytest.mark.parametrize("hertz", [200, 1000, 3000, 7000])
def test_a_tone_is_loudest_in_the_bin_of_its_frequency(hertz):
    spectra_TB = log_mel(tone(hertz))
    expected = mel_filters()[int(np.abs(FREQUENCIES - hertz).argmin())].argmax()
    assert abs(int(spectra_TB[50].argmax()) - int(expected)) <= 1


def test_all_bins_of_an_audio_clip_jointly_have_mean_0_and_variance_1():
    noise_N = np.random.default_rng(0).normal(0, 3000, 8000).astype(np.int16)
    spectra_TB = log_mel(noise_N)
    assert spectra_TB.dtype == np.float32
    assert spectra_TB.mean() == pytest.approx(0, abs=1e-4)
    assert spectra_TB.std() == pytest.approx(1, abs=1e-4)


def test_silence_gives_zeros():
    np.testing.assert_array_equal(log_mel(np.zeros(1000, np.int16)), 0)


def test_loudness_does_not_matter_as_long_as_nothing_falls_below_the_floor():
    noise_N = np.random.default_rng(0).normal(0, 3000, 8000)
    one, other = log_mel(noise_N.astype(np.int16)), log_mel((noise_N * 2).astype(np.int16))
    np.testing.assert_allclose(one, other, atol=0.01)


def test_a_frame_is_what_the_formulas_say():
    """One frame computed term by term: pre-emphasis, Hann window, transform, triangles, logarithm."""
    samples_N = np.random.default_rng(1).integers(-9000, 9000, 600).astype(np.int16)
    x = samples_N / 32768.0
    emphasised = np.array([x[0], *(x[n] - 0.97 * x[n - 1] for n in range(1, 600))])
    frames = []
    for start in (0, 160, 320, 480):
        part = np.zeros(512)
        for n in range(400):
            if start + n < 600:
                part[n] = emphasised[start + n] * (0.5 - 0.5 * np.cos(2 * np.pi * n / 400))
        magnitude_F = np.abs(np.exp(-2j * np.pi * np.outer(np.arange(257), np.arange(512)) / 512) @ part)
        frames.append(np.log(np.maximum(magnitude_F @ mel_filters(), 1e-3)))
    expected_TB = (np.array(frames) - np.mean(frames)) / np.std(frames)
    np.testing.assert_allclose(log_mel(samples_N), expected_TB, atol=1e-3)


def test_the_samples_are_left_as_they_were():
    samples_N = tone(500)
    before_N = samples_N.copy()
    log_mel(samples_N)
    np.testing.assert_array_equal(samples_N, before_N)
