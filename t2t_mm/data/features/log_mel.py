"""Log-mel spectra: 80 bins, a window of 25 ms every 10 ms. The one front end of training and decoding.

The steps are Tensor2Tensor's (utils in layers/common_audio.py) without dither, so that a sound always gives the same
numbers: pre-emphasis 0.97, periodic Hann window, 512-point FFT, magnitudes, HTK mel triangles from 20 Hz to 8 kHz, the
logarithm of what is above 1e-3. Where T2T brings every bin of an utterance to mean 0 and variance 1, here all bins
together are: in a sound of half a second a bin's own mean is most of what was said.
"""

from functools import cache

import numpy as np

from t2t_mm.data.features.audio_file import RATE

BINS = 80
STEP = RATE // 100  # samples, 10 ms
WINDOW = RATE // 40  # samples, 25 ms
POINTS = 512  # of the Fourier transform
LOWEST, HIGHEST = 20.0, 8000.0  # Hz
EMPHASIS = 0.97
FLOOR = 1e-3


def frames_in(samples: int) -> int:
    """How many spectra `samples` samples give: one for every 10 ms begun."""
    return -(-samples // STEP)


def log_mel(samples_N: np.ndarray) -> np.ndarray:
    """int16[N] at 16 kHz to float32[T, 80], mean 0 and variance 1 over all of it; silence gives zeros."""
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
    """float32[F, 80]: triangles of height 1 whose corners are equally far apart in mel = 1127 ln(1 + f / 700)."""
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
