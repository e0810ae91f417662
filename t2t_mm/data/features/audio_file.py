"""Sounds as they come, in files of many kinds, to sounds as they are kept: 16 kHz, one channel, 16 bits a sample."""

import io
from dataclasses import dataclass
from functools import lru_cache
from math import gcd

import numpy as np

from t2t_mm.data.features import sphere
from t2t_mm.errors import UserError

RATE = 16_000  # samples a second of every sound that is kept
RATES = (4_000, 192_000)  # samples a second, the least and the most that a recording may have
MOST_SECONDS = 120.0  # of a sound: what is longer wants cutting up before it can be learnt from or answered
MOST_CHANNELS = 8
SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")


@dataclass(frozen=True, eq=False)
class AudioClip:
    """Samples that stand in no file."""

    samples_NC: np.ndarray  # int16, or floats in -1 to 1; [N] or [N, channels]
    rate: int  # samples a second


def decoded(value: bytes | AudioClip) -> np.ndarray:
    """The sound as int16[N] at 16 kHz, its channels averaged.

    Resampled by a polyphase filter (scipy). Raises UserError for what is no sound, empty, longer than MOST_SECONDS, of
    more than MOST_CHANNELS channels or an unlikely rate, or has samples that are no numbers.
    """
    sound = value if isinstance(value, AudioClip) else _read(value)
    samples_NC = np.asarray(sound.samples_NC)
    samples_NC = samples_NC[:, None] if samples_NC.ndim == 1 else samples_NC
    _check(sound.rate, samples_NC.shape[1], len(samples_NC))
    if samples_NC.dtype.kind == "f" and not np.isfinite(samples_NC).all():
        bad = int((~np.isfinite(samples_NC)).any(axis=1).argmax())
        raise UserError(f"The sound's sample {bad:,} is no number; make the recording anew.")
    if samples_NC.dtype == np.int16 and samples_NC.shape[1] == 1 and sound.rate == RATE:
        return samples_NC[:, 0]
    scale = 2.0**-15 if samples_NC.dtype == np.int16 else 1.0
    samples_N = samples_NC.mean(axis=1, dtype=np.float64) * scale
    if sound.rate != RATE:
        from scipy.signal import resample_poly

        common = gcd(RATE, sound.rate)
        up, down = RATE // common, sound.rate // common
        samples_N = resample_poly(samples_N, up, down, window=_low_pass(max(up, down)))
    return np.clip(np.rint(samples_N * 2.0**15), -(2**15), 2**15 - 1).astype(np.int16)


@lru_cache(maxsize=8)
def _low_pass(factor: int) -> np.ndarray:
    """The filter that resample_poly designs by itself, for every sound anew: as long as filtering a short one."""
    from scipy.signal import firwin

    return firwin(20 * factor + 1, 1 / factor, window=("kaiser", 5.0))


def as_wav(samples_N: np.ndarray, rate: int = RATE) -> bytes:
    """The bytes of a WAV file of int16[N] samples."""
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, samples_N, rate, format="WAV", subtype="PCM_16")
    return file.getvalue()


def _read(value: bytes) -> AudioClip:
    """Decode the bytes of a file, and no more of it than a sound may have."""
    import soundfile

    if not isinstance(value, bytes):
        raise UserError(f"A sound is the bytes of its file; received {type(value).__name__}: {value!r:.60}.")
    if sphere.shortened(value):
        value = sphere.unshortened(value, MOST_SECONDS)
    try:
        with soundfile.SoundFile(io.BytesIO(value)) as file:
            _check(file.samplerate, file.channels)
            most = int(MOST_SECONDS * file.samplerate) + 1  # whatever length the file's head claims
            kept_as = "int16" if file.subtype == "PCM_16" else "float32"
            sound = AudioClip(file.read(most, dtype=kept_as, always_2d=True), file.samplerate)
    except soundfile.SoundFileError as error:
        found = f"{len(value):,} bytes that begin with {value[:8]!r}" if value else "an empty file"
        reason = str(error).rpartition(": ")[2].rstrip(".")  # what stands before names an object in memory
        raise UserError(f"This is no sound that can be read: {found} ({reason}).") from None
    if value.startswith(sphere.MAGIC) and len(sound.samples_NC) < most:
        sphere.check_whole(value, len(sound.samples_NC))
    return sound


def _check(rate: int, channels: int, samples: int | None = None) -> None:
    if not RATES[0] <= rate <= RATES[1]:
        raise UserError(f"The sound has {rate:,} samples a second; {RATES[0]:,} to {RATES[1]:,} are read. Resample it.")
    if channels > MOST_CHANNELS:
        raise UserError(f"The sound has {channels} channels; up to {MOST_CHANNELS} are read. Mix it down.")
    if samples is not None and samples > MOST_SECONDS * rate:
        raise UserError(f"The sound is longer than {MOST_SECONDS:g} seconds. Cut it into pieces.")
    if samples == 0:
        raise UserError("The sound is empty: it has no samples.")
