"""Audio features: stored as 16 kHz samples, loaded as log-mel spectra or as the samples themselves."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from t2t_mm.data.features.audio_file import RATE, AudioClip, as_wav, decode_audio
from t2t_mm.data.features.input_file import read_input_file
from t2t_mm.data.features.log_mel import BINS, STEP, frames_in, log_mel
from t2t_mm.data.features.spec_augment import POLICIES, spec_augment
from t2t_mm.errors import UserError
from t2t_mm.feature import Arrays, ArraySpec, Codec, FilelessFeature, Port
from t2t_mm.hparam_set import DataHparams

FORMS = ("spectral", "waveform")


@dataclass(frozen=True)
class Audio(FilelessFeature):
    """An audio clip. The raw value is the bytes of a .wav, .flac, .ogg or .mp3 file, or an `AudioClip`.

    `form` is what the model reads (arXiv 1706.05137, section 2.5.4): "spectral", 80 log-mel bins every 10 ms, or
    "waveform", the samples.
    """

    form: str = "spectral"

    def __post_init__(self) -> None:
        if self.form not in FORMS:
            raise UserError(f"An audio feature's form is 'spectral' or 'waveform'; received {self.form!r}.")

    def open(self, folder: Path) -> Codec:
        return SpectralCodec() if self.form == "spectral" else WaveformCodec()


class AudioCodec(Codec):
    """The base of both audio codecs.

    A record holds 16 kHz samples of one channel, int16 little-endian. The length counts steps of 10 ms.
    """

    def store(self, value: Any) -> bytes:
        if not isinstance(value, bytes | AudioClip):
            raise UserError(
                f"An audio clip must be the bytes of its file, or an AudioClip; received {type(value).__name__}."
            )
        return decode_audio(value).astype("<i2").tobytes()

    def length(self, stored: bytes) -> int:
        return frames_in(len(stored) // 2)

    def longest(self, hparams: DataHparams) -> int:
        return round(hparams.audio_seconds * RATE / STEP)

    def measured(self, length: int) -> str:
        return f"{length * STEP / RATE:,.2f} seconds"

    def value(self, stored: bytes) -> Any:
        """Return the bytes of a WAV file."""
        return as_wav(np.frombuffer(stored, "<i2"))

    def symbols(self, stored: bytes) -> np.ndarray:
        return np.zeros(0, np.int32)

    def parse(self, line: str, folder: Path) -> Any:
        """Return the bytes of the file that `line` names, relative to `folder`."""
        return read_input_file(line, folder, "audio file")


class SpectralCodec(AudioCodec):
    """Audio as log-mel spectra: {"frames": float32[B, T, 80], "lengths": int32[B]}. Lengths count frames."""

    port = Port("audio_spectral", "audio_spectral", 0)

    def load(self, stored: bytes, hparams: DataHparams, augment: np.random.Generator | None) -> np.ndarray:
        """Return float32[T, 80].

        In training the spectra are warped and masked by the policy of `hparams`, if it names one.
        """
        frames_TF = log_mel(np.frombuffer(stored, "<i2"))
        if augment is None or hparams.spec_augment == "none":
            return frames_TF
        return spec_augment(frames_TF, POLICIES[hparams.spec_augment], augment)

    def batch(self, values: Sequence[np.ndarray], rows: int, length: int) -> Arrays:
        frames_BTF, lengths_B = _stack(values, (rows, length, BINS))
        return {"frames": frames_BTF, "lengths": lengths_B}

    def spec(self, hparams: DataHparams) -> dict[str, ArraySpec]:
        return {"frames": ArraySpec("float32", (None, None, BINS)), "lengths": ArraySpec("int32", (None,))}

    def positions(self, length: int, hparams: DataHparams) -> int:
        return _halve(length, hparams.audio_halvings) * (BINS if hparams.audio_flatten else 1)

    def show(self, output: np.ndarray, source: Any = None) -> str:
        return f"an audio clip of {len(output) * STEP / RATE:.1f} s"


class WaveformCodec(AudioCodec):
    """Audio as its samples: {"samples": float32[B, N], "lengths": int32[B]}. Lengths count samples."""

    port = Port("audio_waveform", "audio_waveform", 0)

    def load(self, stored: bytes, hparams: DataHparams, augment: np.random.Generator | None) -> np.ndarray:
        """Return float32[N] of mean 0 and variance 1, so that loudness carries no information. Silence gives zeros."""
        samples_N = np.frombuffer(stored, "<i2").astype(np.float32)
        centred_N = samples_N - samples_N.mean()
        return centred_N / max(float(centred_N.std()), 1.0)

    def batch(self, values: Sequence[np.ndarray], rows: int, length: int) -> Arrays:
        samples_BN, lengths_B = _stack(values, (rows, length * STEP))
        return {"samples": samples_BN, "lengths": lengths_B}

    def spec(self, hparams: DataHparams) -> dict[str, ArraySpec]:
        return {"samples": ArraySpec("float32", (None, None)), "lengths": ArraySpec("int32", (None,))}

    def positions(self, length: int, hparams: DataHparams) -> int:
        return _halve(length * STEP, hparams.waveform_halvings)

    def show(self, output: np.ndarray, source: Any = None) -> str:
        return f"an audio clip of {len(output) / RATE:.1f} s"


def _stack(values: Sequence[np.ndarray], shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    stacked = np.zeros(shape, np.float32)
    lengths_B = np.zeros(shape[0], np.int32)
    for row, value in enumerate(values):
        stacked[row, : len(value)] = value
        lengths_B[row] = len(value)
    return stacked, lengths_B


def _halve(length: int, times: int) -> int:
    """Return `length` halved `times` times, each half rounded up."""
    return -(-length // 2**times)
