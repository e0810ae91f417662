"""The synthetic syllables: the audio of every speaker matches its transcript."""

import itertools
import math
from collections import Counter, defaultdict

import numpy as np
import pytest

from t2t_mm.data.features.audio_file import RATE, decode_audio
from t2t_mm.data.features.log_mel import STEP, log_mel
from t2t_mm.data.keyed_rng import generator
from t2t_mm.problem import DEV, TRAIN
from t2t_mm.problems.builtin_speech import (
    CONSONANTS,
    PHONES,
    TRACT,
    VOWELS,
    Moment,
    Speaker,
    Syllables,
    said_when,
    spoken,
)

ALL = [consonant + vowel for consonant in CONSONANTS for vowel in VOWELS]
FRAMES = 12  # that a syllable is stretched to, to be compared


@pytest.fixture(scope="module")
def dev(tmp_path_factory):
    return [e.values for e in Syllables().examples(DEV, tmp_path_factory.mktemp("nowhere"))]


def said_and_heard(split: str, index: int) -> list[tuple[str, np.ndarray]]:
    """The syllables of an example, and the frames in which each is said, float[FRAMES * 80]."""
    values = Syllables().example(split, index)
    rng = generator(Syllables.name, split, index, "voice")
    moments = said_when(values["targets"], Speaker.drawn(rng), rng)  # as `example` drew them
    mel_TB = log_mel(values["inputs"].samples_NC)
    heard = []
    for consonant, vowel in zip(moments[::2], moments[1::2], strict=True):
        frames = np.linspace(consonant.begin / STEP, vowel.end / STEP - 2, FRAMES)
        heard.append((consonant.phone + vowel.phone, mel_TB[np.rint(frames).astype(int)].ravel()))
    return heard


def test_the_nearest_template_tells_the_syllables_apart():
    heard = defaultdict(list)
    for index in range(200):
        for syllable, frames in said_and_heard(TRAIN, index):
            heard[syllable].append(frames)
    assert set(heard) == set(ALL)
    template = {syllable: np.mean(frames, axis=0) for syllable, frames in heard.items()}
    trials = [
        (syllable, min(ALL, key=lambda name: np.linalg.norm(template[name] - frames)))
        for index in range(60)
        for syllable, frames in said_and_heard(DEV, index)
    ]
    assert np.mean([syllable == guess for syllable, guess in trials]) > 0.95
    assert np.mean([syllable == guess for (syllable, _), (_, guess) in itertools.pairwise(trials)]) < 0.15


def test_a_line_has_two_to_four_syllables_each_as_likely_as_another(dev):
    lines = [values["targets"].split(" ") for values in dev]
    assert {len(line) for line in lines} == {2, 3, 4}
    counts = Counter(syllable for line in lines for syllable in line)
    assert set(counts) == set(ALL) and len(ALL) == 20
    assert max(counts.values()) < 0.1 * sum(counts.values())


def test_a_length_tells_how_many_syllables_at_most(dev):
    by_length = defaultdict(Counter)
    for index in range(500):
        values = Syllables().example(TRAIN, index)
        by_length[len(values["inputs"].samples_NC) // (RATE // 20)][values["targets"].split()[0]] += 1
    guess = {length: counts.most_common(1)[0][0] for length, counts in by_length.items()}
    right = [guess.get(len(v["inputs"].samples_NC) // (RATE // 20)) == v["targets"].split()[0] for v in dev]
    assert np.mean(right) < 0.12


def test_audio_clips_are_short_and_in_the_stored_form(dev):
    for values in dev:
        audio = values["inputs"]
        assert (audio.rate, audio.samples_NC.dtype, audio.samples_NC.ndim) == (RATE, np.int16, 1)
        assert 0.3 * RATE < len(audio.samples_NC) < 1.1 * RATE
        assert np.abs(audio.samples_NC.astype(int)).max() > 0.08 * 2**15
        assert np.shares_memory(decode_audio(audio), audio.samples_NC)  # nothing to resample


def alone(phone: str, speaker: Speaker) -> np.ndarray:
    """The power of a phone that is said for half a second, float[2001], one for every 4 Hz, smoothed over 100 Hz."""
    audio = spoken([Moment(phone, 0, RATE // 2)], speaker, np.random.default_rng(3))
    power_F = np.abs(np.fft.rfft(audio.samples_NC[3600:7600] * np.hanning(4000))) ** 2
    return np.convolve(power_F, np.hanning(51), "same")


@pytest.mark.parametrize("tract", TRACT)
@pytest.mark.parametrize("vowel", VOWELS)
def test_a_vowel_rings_at_its_speakers_formants(vowel, tract):
    power_F = alone(vowel, Speaker(pitch=100, tract=tract))
    peaks = [4 * i for i in range(30, 1500) if power_F[i] == power_F[i - 30 : i + 31].max()]
    for formant in PHONES[vowel].formants_3:
        assert min(abs(peak - formant * tract) for peak in peaks) <= 50  # half the pitch: there are harmonics only


@pytest.mark.parametrize("phone", "kst")
def test_a_hiss_is_loudest_about_its_frequency(phone):
    assert 4 * int(alone(phone, Speaker()).argmax()) == pytest.approx(PHONES[phone].hiss, abs=600)


def test_pitch_is_the_distance_of_the_pulses():
    audio = spoken([Moment("o", 0, RATE // 2)], Speaker(pitch=125, fall=0.0), np.random.default_rng(3))
    x_N = audio.samples_NC[2000:6000].astype(float)
    correlation = [x_N[lag:] @ x_N[: len(x_N) - lag] for lag in range(80, 200)]
    assert 80 + int(np.argmax(correlation)) == pytest.approx(RATE / 125, rel=0.06)  # the melody moves it a little


def test_loudness_and_noise_are_the_speakers():
    quiet = spoken([Moment("a", RATE // 10, RATE // 2)], Speaker(loudness=0.1, noise=0.02), np.random.default_rng(3))
    x_N = quiet.samples_NC / 2.0**15
    assert np.abs(x_N).max() == pytest.approx(0.1, rel=0.15)
    assert x_N[: RATE // 10].std() == pytest.approx(0.1 * 0.02, rel=0.1)


def test_the_ceilings_arithmetic_is_as_stated():
    distance = {
        (one, other): max(
            max(f / g, g / f) for f, g in zip(PHONES[one].formants_3, PHONES[other].formants_3, strict=True)
        )
        for one, other in itertools.combinations(VOWELS, 2)
    }
    speakers = TRACT[1] / TRACT[0]
    assert speakers == pytest.approx(1.26, abs=0.005)
    assert min(distance, key=lambda pair: distance[pair]) == ("a", "e") and distance["a", "e"] == pytest.approx(
        1.62, abs=0.006
    )
    hisses = sorted(phone.hiss for phone in PHONES.values() if phone.hiss)
    assert min(b / a for a, b in itertools.pairwise(hisses)) == pytest.approx(1.5)
    assert 20 * math.log10(PHONES["l"].strengths_3[1] / PHONES["m"].strengths_3[1]) == pytest.approx(16, abs=0.5)
    noisiest = max(Speaker.drawn(np.random.default_rng(seed)).noise for seed in range(200))
    assert 20 * math.log10(1 / noisiest) > 30


def test_equal_seeds_speak_alike_and_another_does_not(dev):
    again = Syllables().example(DEV, 7)
    assert again["targets"] == dev[7]["targets"]
    assert again["inputs"].samples_NC.tobytes() == dev[7]["inputs"].samples_NC.tobytes()
    assert len({values["inputs"].samples_NC.tobytes() for values in dev}) == len(dev) == 240


def test_no_dev_transcript_is_trained_on(dev, monkeypatch):
    monkeypatch.setattr("t2t_mm.problems.builtin_speech.spoken", lambda moments, speaker, rng: None)  # in silence
    trained = {Syllables().example(TRAIN, index)["targets"] for index in range(Syllables.train)}
    assert not trained & {values["targets"] for values in dev}
