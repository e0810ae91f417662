"""Log-mel spectra: 80 bins, a window of 25 ms every 10 ms. Training and decoding use this one front end.

The steps are Tensor2Tensor's (utils in layers/common_audio.py) without dither, so equal audio gives equal numbers:
pre-emphasis 0.97, periodic Hann window, 512-point FFT, magnitudes, HTK mel triangles from 20 Hz to 8 kHz, and the
logarithm, floored at 1e-3. T2T normalises each bin of an utterance to mean 0 and variance 1. Here all bins are
normalised jointly, because in half a second of audio the mean of a single bin carries most of what was said.
"""

from functools import cache

import numpy as np

from t2t_mm.data.features.audio_file import RATE

BINS = 80
STEP = RATE // 100  # samples, 10 ms
WINDOW = RATE // 40  # samples, 25 ms
POINTS = 512  # of the FFT
LOWEST, HIGHEST = 20.0, 8000.0  # Hz
EMPHASIS = 0.97
FLOOR = 1e-3


def frames_in(samples: int) -> int:
    """Return the number of frames of `samples` samples: one for each started 10 ms."""
    return -(-samples // STEP)


def log_mel(samples_N: np.ndarray) -> np.ndarray:
    """Return the log-mel spectra, float32[T, 80], of int16[N] samples at 16 kHz.

    They have mean 0 and variance 1 over all frames and bins. Silence gives zeros.
    """
    x_N = samples_N.astype(np.float32) * 2.0**-15
    x_N[1:] -= EMPHASIS * x_N[:-1].copy()
    frames = frames_in(len(x_N))
    padded_N = np.pad(x_N, (0, (frames - 1) * STEP + WINDOW - len(x_N)))  # the last window reaches beyond the end
    windows_TW = np.lib.stride_tricks.sliding_window_view(padded_N, WINDOW)[::STEP][:frames]
    spectra_TF = np.abs(np.fft.rfft(windows_TW * _hann(), POINTS)).astype(np.float32)
    mel_TB = np.log(np.maximum(spectra_TF @ mel_filters(), FLOOR))
    deviation = float(mel_TB.std())
    return (mel_TB - mel_TB.mean()) / deviation if deviation > 1e-3 else np.zeros_like(mel_TB)


@cache
def mel_filters() -> np.ndarray:
    """Return the mel filters, float32[F, 80]: triangles of height 1, equally spaced in mel = 1127 ln(1 + f / 700)."""
    mel_F = _mel(np.linspace(0, RATE / 2, POINTS // 2 + 1))
    corner = np.linspace(_mel(LOWEST), _mel(HIGHEST), BINS + 2)
    rising_FB = (mel_F[:, None] - corner[:-2]) / (corner[1:-1] - corner[:-2])
    falling_FB = (corner[2:] - mel_F[:, None]) / (corner[2:] - corner[1:-1])
    return np.maximum(0.0, np.minimum(rising_FB, falling_FB)).astype(np.float32)


def _mel(hertz: np.ndarray | float) -> np.ndarray:
    return 1127.0 * np.log1p(np.asarray(hertz) / 700.0)


@cache
def _hann() -> np.ndarray:
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)).astype(np.float32)
