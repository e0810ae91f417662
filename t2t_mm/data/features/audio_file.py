"""Decode audio files of many kinds to the stored form: 16 kHz, one channel, 16 bits a sample."""

import io
from dataclasses import dataclass
from functools import lru_cache
from math import gcd

import numpy as np

from t2t_mm.data.features import sphere
from t2t_mm.errors import UserError

RATE = 16_000  # samples a second of all stored audio
RATES = (4_000, 192_000)  # lowest and highest sample rate of a recording
MOST_SECONDS = 120.0  # of one audio clip; a longer recording must be cut into pieces first
MOST_CHANNELS = 8
SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")


@dataclass(frozen=True, eq=False)
class AudioClip:
    """Samples that are not in a file."""

    samples_NC: np.ndarray  # int16, or floats in -1 to 1; [N] or [N, channels]
    rate: int  # samples a second


def decode_audio(value: bytes | AudioClip) -> np.ndarray:
    """Return an audio clip as int16[N] at 16 kHz, its channels averaged.

    It is resampled by a polyphase filter (scipy). Raises UserError if the value is not readable audio, is empty, is
    longer than MOST_SECONDS, has more than MOST_CHANNELS channels, has a sample rate outside RATES, or has samples that
    are not finite.
    """
    clip = value if isinstance(value, AudioClip) else _read(value)
    samples_NC = np.asarray(clip.samples_NC)
    samples_NC = samples_NC[:, None] if samples_NC.ndim == 1 else samples_NC
    _check(clip.rate, samples_NC.shape[1], len(samples_NC))
    if samples_NC.dtype.kind == "f" and not np.isfinite(samples_NC).all():
        first_bad = int((~np.isfinite(samples_NC)).any(axis=1).argmax())
        raise UserError(f"Sample {first_bad:,} of the audio is not finite. Record it again.")
    if samples_NC.dtype == np.int16 and samples_NC.shape[1] == 1 and clip.rate == RATE:
        return samples_NC[:, 0]
    scale = 2.0**-15 if samples_NC.dtype == np.int16 else 1.0
    samples_N = samples_NC.mean(axis=1, dtype=np.float64) * scale
    if clip.rate != RATE:
        from scipy.signal import resample_poly

        common = gcd(RATE, clip.rate)
        up, down = RATE // common, clip.rate // common
        samples_N = resample_poly(samples_N, up, down, window=_low_pass(max(up, down)))
    return np.clip(np.rint(samples_N * 2.0**15), -(2**15), 2**15 - 1).astype(np.int16)


@lru_cache(maxsize=8)
def _low_pass(factor: int) -> np.ndarray:
    """Return the filter that resample_poly would design in each call, in the time that filtering a short clip takes."""
    from scipy.signal import firwin

    return firwin(20 * factor + 1, 1 / factor, window=("kaiser", 5.0))


def as_wav(samples_N: np.ndarray, rate: int = RATE) -> bytes:
    """Return int16[N] samples as the bytes of a WAV file."""
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, samples_N, rate, format="WAV", subtype="PCM_16")
    return file.getvalue()


def _read(value: bytes) -> AudioClip:
    """Decode the bytes of a file, at most MOST_SECONDS and one sample of it."""
    import soundfile

    if not isinstance(value, bytes):
        raise UserError(f"An audio clip must be the bytes of its file; received {type(value).__name__}: {value!r:.60}.")
    if sphere.is_shorten_compressed(value):
        value = sphere.unpack_shorten(value, MOST_SECONDS)
    try:
        with soundfile.SoundFile(io.BytesIO(value)) as file:
            _check(file.samplerate, file.channels)
            most = int(MOST_SECONDS * file.samplerate) + 1  # whatever length the header of the file claims
            dtype = "int16" if file.subtype == "PCM_16" else "float32"
            clip = AudioClip(file.read(most, dtype=dtype, always_2d=True), file.samplerate)
    except soundfile.SoundFileError as error:
        received = f"{len(value):,} bytes that begin with {value[:8]!r}" if value else "an empty file"
        reason = str(error).rpartition(": ")[2].rstrip(".")  # the text before it names an object in memory
        raise UserError(f"This is not a readable audio file: {received} ({reason}).") from None
    if value.startswith(sphere.MAGIC) and len(clip.samples_NC) < most:
        sphere.check_complete(value, len(clip.samples_NC))
    return clip


def _check(rate: int, channels: int, samples: int | None = None) -> None:
    if not RATES[0] <= rate <= RATES[1]:
        raise UserError(
            f"The audio has {rate:,} samples a second; {RATES[0]:,} to {RATES[1]:,} are supported. Resample it."
        )
    if channels > MOST_CHANNELS:
        raise UserError(f"The audio has {channels} channels; up to {MOST_CHANNELS} are supported. Mix it down.")
    if samples is not None and samples > MOST_SECONDS * rate:
        raise UserError(f"The audio is longer than {MOST_SECONDS:g} seconds. Cut it into pieces.")
    if samples == 0:
        raise UserError("The audio is empty: it has no samples.")
