"""Strings of words joined from clips of one speaker."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from t2t_mm.data.sources.joined_clips import JoinedClips
from t2t_mm.data.sources.spoken_words import SpokenWords
from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, TEST, TRAIN

WORDS = ("zero", "one", "two")
CORPUS = SpokenWords(("digits",), WORDS, dev=range(5, 10), test=range(0, 5))
SOURCE = JoinedClips(CORPUS, name="strings", train=60, dev=20, test=7)
RATE = 8000
SPEAKERS = {"ann": 1, "bo": -1}  # and the sign of their samples
TAKES = {TEST: 4, DEV: 5, TRAIN: 10}


def level(number: int, take: int) -> float:
    """Return the level of a clip: 0.1 to 0.3 for the word, and a little for the take, in 16 bits exactly."""
    return (3277 * (number + 1) + take) / 2**15


@pytest.fixture
def corpus(tmp_path) -> Path:
    """Clips of a constant level that tells word, speaker and take, 20 ms for each word and 10 ms more for Bo."""
    root = tmp_path / "digits" / "recordings"
    root.mkdir(parents=True)
    for number in range(len(WORDS)):
        for speaker, sign in SPEAKERS.items():
            for take in TAKES.values():
                samples_N = np.full(160 if sign > 0 else 240, sign * level(number, take), np.float32)
                soundfile.write(root / f"{number}_{speaker}_{take}.wav", samples_N, RATE, subtype="PCM_16")
    return tmp_path


def runs(samples_N: np.ndarray) -> list[tuple[float, int]]:
    """Stretches of equal samples: their level and length."""
    ends = np.flatnonzero(np.diff(samples_N)) + 1
    return [(float(part[0]), len(part)) for part in np.split(samples_N, ends)]


@pytest.mark.parametrize("split", [TRAIN, DEV, TEST])
def test_an_example_is_clips_of_one_speaker_and_of_its_split_with_silent_pauses_between(corpus, split):
    examples = list(SOURCE.examples(split, corpus))
    assert [e.id for e in examples] == [f"{split}/{i}" for i in range({TRAIN: 60, DEV: 20, TEST: 7}[split])]
    for example in examples:
        audio, words = example.values["inputs"], example.values["targets"].split()
        assert audio.rate == RATE and audio.samples_NC.dtype == np.float32
        clips, pauses = runs(audio.samples_NC)[0::2], runs(audio.samples_NC)[1::2]
        sign = np.sign(clips[0][0])
        expected = [
            (np.float32(sign * level(WORDS.index(word), TAKES[split])), 160 if sign > 0 else 240) for word in words
        ]
        assert clips == expected
        assert len(pauses) == len(words) - 1
        assert all(silence == 0 and 50 <= samples / 8 <= 200 for silence, samples in pauses)


def test_counts_speakers_and_words_all_come_up(corpus):
    examples = list(SOURCE.examples(TRAIN, corpus))
    counts = [len(e.values["targets"].split()) for e in examples]
    assert set(counts) == {3, 4, 5, 6, 7}
    assert {np.sign(e.values["inputs"].samples_NC[0]) for e in examples} == {1, -1}
    assert {word for e in examples for word in e.values["targets"].split()} == set(WORDS)


def test_an_example_is_a_function_of_name_split_and_index(corpus):
    def targets(source, split=TRAIN):
        return [e.values["targets"] for e in source.examples(split, corpus)]

    assert targets(SOURCE) == targets(SOURCE)
    assert targets(replace(SOURCE, train=10)) == targets(SOURCE)[:10]
    assert targets(replace(SOURCE, name="others"))[:20] != targets(SOURCE)[:20]
    assert targets(SOURCE, DEV) != targets(SOURCE)[:20]
    assert targets(SOURCE)[:2] == ["zero zero two", "two one zero zero two zero"]  # on every machine


def test_joined_clips_are_present_and_refused_as_their_corpus_is(corpus, tmp_path):
    assert SOURCE.present(corpus) and SOURCE.splits(corpus) == (TRAIN, DEV, TEST)
    assert not SOURCE.present(tmp_path / "nowhere")
    with pytest.raises(UserError, match="There is no folder .*digits"):
        SOURCE.splits(tmp_path / "nowhere")


def test_a_clip_that_cannot_be_read_is_named(corpus):
    for path in (corpus / "digits" / "recordings").glob("*_10.wav"):
        path.write_bytes(b"no audio")
    with pytest.raises(UserError, match=r"_10\.wav is not a readable audio file"):
        [e.values["inputs"] for e in SOURCE.examples(TRAIN, corpus)]


def test_clips_of_different_rates_are_refused(corpus):
    path = corpus / "digits" / "recordings" / "1_ann_10.wav"
    soundfile.write(path, np.zeros(100), 16000)
    with pytest.raises(UserError, match=r"(16,000 samples a second and .* 8,000|8,000 samples a second and .* 16,000)"):
        [e.values["inputs"] for e in SOURCE.examples(TRAIN, corpus)]


def test_the_words_can_be_had_without_reading_a_clip(corpus):
    examples = SOURCE.examples(TRAIN, corpus)
    first = next(examples)
    for path in (corpus / "digits" / "recordings").iterdir():
        path.unlink()
    assert set(first.values["targets"].split()) <= set(WORDS)
