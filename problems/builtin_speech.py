"""Synthetic speech: spoken syllables, and their transcripts.

What: audio clips of 0.3 to 1.1 seconds at 16 kHz in which an invented speaker says two to four syllables, and their
    transcripts: `ka mo si`. A syllable is one of five consonants and one of four vowels. The voice is a train of
    pulses, each of which sets three formants ringing, and they glide from phone to phone; `k`, `s` and `t` are hisses
    at frequencies of their own, the first and the last after a closure. Each speaker has a pitch (the highest is over
    an octave above the lowest), a melody, a vocal tract's length (the longest is a quarter longer than the shortest), a
    pace and a loudness; steady noise lies behind, 30 to 40 dB below the peaks.
Splits: train 2,400, dev 240, each a function of its split and number alone; a transcript is in one split only, by its
    hash, so that every dev transcript is new.
Layout: none; no files are needed.
Licence: that of this package.
Ceiling: 100 % (see `SpeechSyllables.ceiling`). Without the audio, the best is 10.09 nats a transcript: three syllables
    on average, each as likely as 19 others, and where the line ends, 3 ln 20 + ln 3. The audio's length tells how many
    syllables there are, roughly, but not which: 3 ln 20 = 8.99.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from t2t_mm.data.features.audio import Audio
from t2t_mm.data.features.audio_file import RATE, AudioClip
from t2t_mm.data.features.text import Text
from t2t_mm.data.keyed_rng import generator
from t2t_mm.data.sources.synthetic import SyntheticSource
from t2t_mm.problem import Problem
from t2t_mm.registry import PROBLEMS

SYLLABLES = (2, 4)  # fewest and most syllables of an example
PULSE = 256  # length of the voice's pulse response in samples, 16 ms
HISS_PULSE = 64  # length of the hiss filter's response in samples


@dataclass(frozen=True)
class Phone:
    """A consonant or a vowel of the average speaker."""

    seconds: float
    formants_3: tuple[float, float, float]  # Hz; of an unvoiced phone: where its neighbour's formants begin
    strengths_3: tuple[float, float, float] = (0.0, 0.0, 0.0)  # of the formants
    hiss: float = 0.0  # Hz, the centre of its noise
    hiss_strength: float = 0.0  # relative to the voice
    closed: float = 0.0  # share of the duration before the hiss, which is silent


VOICED = (1.0, 0.6, 0.3)
PHONES = {
    "k": Phone(0.08, (300, 2000, 2500), hiss=1900, hiss_strength=0.5, closed=0.5),
    "l": Phone(0.07, (330, 1250, 2900), (0.5, 0.2, 0.1)),
    "m": Phone(0.07, (260, 1000, 2300), (0.6, 0.03, 0.02)),
    "s": Phone(0.09, (300, 1600, 2600), hiss=6000, hiss_strength=0.4),
    "t": Phone(0.08, (300, 1700, 2700), hiss=4000, hiss_strength=0.5, closed=0.5),
    "a": Phone(0.11, (780, 1250, 2600), VOICED),
    "e": Phone(0.11, (480, 1900, 2600), VOICED),
    "i": Phone(0.11, (280, 2350, 3100), VOICED),
    "o": Phone(0.11, (460, 830, 2500), VOICED),
}
CONSONANTS, VOWELS = "klmst", "aeio"
TRACT = (0.89, 1.12)  # factor of the average speaker's formants


@dataclass(frozen=True)
class Speaker:
    """The voice of a speaker."""

    pitch: float = 140.0  # Hz, in the middle of an utterance
    fall: float = 0.2  # of the pitch, from the beginning to the end
    tract: float = 1.0  # factor of the average speaker's formants
    pace: float = 1.0  # factor of the average speaker's pace
    loudness: float = 0.5  # of the highest peak; 1 is full scale
    noise: float = 0.015  # standard deviation, relative to the highest peak

    @staticmethod
    def drawn(rng: np.random.Generator) -> "Speaker":
        """Return a random speaker."""
        return Speaker(
            pitch=rng.uniform(95, 220),
            fall=rng.uniform(0.0, 0.4),
            tract=rng.uniform(*TRACT),
            pace=rng.uniform(0.85, 1.2),
            loudness=rng.uniform(0.1, 0.8),
            noise=rng.uniform(0.01, 0.03),
        )


@dataclass(frozen=True)
class Moment:
    """The time of a phone, in samples."""

    phone: str
    begin: int
    end: int


def said_when(line: str, speaker: Speaker, rng: np.random.Generator) -> list[Moment]:
    """Return the moments of a line's phones, after a short silence. Their lengths vary at random."""
    moments, begin = [], round(rng.uniform(0.02, 0.06) * RATE)
    for phone in line.replace(" ", ""):
        end = begin + round(PHONES[phone].seconds * rng.uniform(0.85, 1.15) / speaker.pace * RATE)
        moments.append(Moment(phone, begin, end))
        begin = end
    return moments


def spoken(moments: Sequence[Moment], speaker: Speaker, rng: np.random.Generator) -> AudioClip:
    """Return the phones in a speaker's voice, int16[N], with a short silence after them."""
    x_N = np.zeros(moments[-1].end + round(rng.uniform(0.02, 0.06) * RATE))
    _add_voice(x_N, moments, speaker, rng)
    for moment in moments:
        if PHONES[moment.phone].hiss_strength:
            _add_hiss(x_N, moment, speaker, rng)
    x_N /= np.abs(x_N).max()
    x_N += speaker.noise * rng.standard_normal(len(x_N))
    x_N *= speaker.loudness * 2**15
    return AudioClip(np.clip(np.rint(x_N), -(2**15), 2**15 - 1).astype(np.int16), RATE)


def _add_voice(x_N: np.ndarray, moments: Sequence[Moment], speaker: Speaker, rng: np.random.Generator) -> None:
    """Add pulses at the pitch that ring in the formants of their time: sums of damped sines (after Rodet 1984, FOF)."""
    begin, end = moments[0].begin, moments[-1].end
    grid = np.arange(begin, end, RATE // 1000)
    pitch = speaker.pitch * np.interp(grid, [begin, end], [1 + speaker.fall / 2, 1 - speaker.fall / 2])
    pitch *= np.interp(grid, np.linspace(begin, end, len(moments)), rng.uniform(0.95, 1.05, len(moments)))
    turns = np.cumsum(pitch) / 1000
    when_P = np.interp(np.arange(1, turns[-1]), turns, grid)

    # A phone's formants are constant in the middle of its time and glide between phones.
    knots = [edge for m in moments for edge in (0.7 * m.begin + 0.3 * m.end, 0.3 * m.begin + 0.7 * m.end)]
    phones = [PHONES[m.phone] for m in moments for _ in range(2)]
    formant_P3 = speaker.tract * _tracks(when_P, knots, [phone.formants_3 for phone in phones])
    strength_P3 = _tracks(when_P, knots, [phone.strengths_3 for phone in phones])
    ring_PN = np.zeros((len(when_P), PULSE))
    for formant_P, strength_P in zip(formant_P3.T, strength_P3.T, strict=True):
        ring_PN += strength_P[:, None] * _damped_sines(formant_P, 60 + 0.05 * formant_P, PULSE)
    for when, ring_N in zip(when_P.astype(int), ring_PN, strict=True):
        target_N = x_N[when : when + PULSE]
        target_N += ring_N[: len(target_N)]


def _add_hiss(x_N: np.ndarray, moment: Moment, speaker: Speaker, rng: np.random.Generator) -> None:
    """Add noise around the phone's frequency, which rises and falls within its time."""
    phone = PHONES[moment.phone]
    begin = moment.begin + round(phone.closed * (moment.end - moment.begin))
    length = moment.end - begin
    swell_N = np.interp(np.arange(length), [0, 0.2 * length, 0.8 * length, length], [0.0, 1.0, 1.0, 0.0])
    filter_N = _damped_sines(np.array([phone.hiss * speaker.tract]), np.array([1200.0]), HISS_PULSE)[0]
    noise_N = np.convolve(rng.standard_normal(length) * swell_N, filter_N / np.linalg.norm(filter_N))[:length]
    x_N[begin : moment.end] += phone.hiss_strength * noise_N


def _tracks(when_P: np.ndarray, knots: Sequence[float], values: Sequence[tuple[float, ...]]) -> np.ndarray:
    """Return float[P, 3]: three values given at `knots`, interpolated at the times `when_P`."""
    return np.stack([np.interp(when_P, knots, track) for track in zip(*values, strict=True)], axis=1)


def _damped_sines(hertz_P: np.ndarray, width_P: np.ndarray, length: int) -> np.ndarray:
    """Return float[P, N]: exp(-pi width n / RATE) sin(2 pi hertz n / RATE), for n = 1 to `length`."""
    turn_P = np.exp((-np.pi * width_P + 2j * np.pi * hertz_P) / RATE)
    return np.cumprod(np.repeat(turn_P[:, None], length, axis=1), axis=1).imag


class Syllables(SyntheticSource):
    """Lines of syllables, which belong to a split, and audio of them. The line is drawn first, then spoken."""

    name = "syllables"
    train = 2400
    dev = 240

    def key(self, values: Mapping[str, Any]) -> str:
        return values["targets"]

    def make(self, rng: np.random.Generator) -> Mapping[str, Any]:
        count = int(rng.integers(SYLLABLES[0], SYLLABLES[1] + 1))
        syllables = zip(rng.choice(list(CONSONANTS), count), rng.choice(list(VOWELS), count), strict=True)
        return {"targets": " ".join(map("".join, syllables))}

    def example(self, split: str, index: int) -> Mapping[str, Any]:
        line = super().example(split, index)["targets"]
        rng = generator(self.name, split, index, "voice")
        speaker = Speaker.drawn(rng)
        return {"inputs": spoken(said_when(line, speaker, rng), speaker, rng), "targets": line}


@PROBLEMS.register
class SpeechSyllables(Problem):
    """Synthetic speech of syllables to letters."""

    source = Syllables()
    inputs = Audio()
    targets = Text("builtin")
    command = "to-syllables"
    decoded_metrics = ("wer", "cer", "exact_match")
    batch_size_multiplier = 0.5  # audio positions cost more than others, and few a step are enough
    ceiling = (
        "all transcripts exact, 0.00 nats: for every speaker, all syllables sound different. Speakers' formants "
        "differ by 1.12 / 0.89 = 1.26 times; of any two vowels one formant differs by 1.6 times (1.62 at least: a and "
        "e), of any two hisses the frequency by 1.5 times (s and t); l and m are voiced, k, s and t are not; m's "
        "second formant is 16 dB weaker than l's. The background noise is at least 30 dB below the peaks"
    )
