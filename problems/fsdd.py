"""The Free Spoken Digit Dataset: single English digits, and strings of them.

What: six speakers say each digit fifty times, at 8 kHz; a clip is trimmed close and takes 0.1 to 2.3 seconds, most
    less than half a second. `speech_digit_strings` joins 3 to 7 clips of one speaker, with pauses of 50 to 200 ms.
Splits: by take. The corpus holds out takes 0 to 4 for test (a copy without them has no test split); 5 to 9 are dev
    here, and all higher takes train. Strings are made of clips of their own split. All speakers are in all splits.
Size: digits 2,400 / 300 / 300; strings 3,000 / 300 / 300, each a function of its split and number and the corpus.
Layout, below --tmp_dir: `fsdd/recordings/<digit>_<speaker>_<take>.wav`, or `free-spoken-digit-dataset/recordings/`,
    as a clone of its repository is called.
Licence: CC BY-SA 4.0.
Quirks: the speakers differ in accent, microphone and loudness; there are no other speakers in it.
"""

from t2t_mm.data.features.audio import Audio
from t2t_mm.data.features.text import Text
from t2t_mm.data.sources.joined_clips import JoinedClips
from t2t_mm.data.sources.spoken_words import SpokenWords
from t2t_mm.problem import Problem
from t2t_mm.registry import PROBLEMS

DIGITS = SpokenWords(
    folders=("fsdd", "free-spoken-digit-dataset"),
    words=("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    dev=range(5, 10),
    test=range(0, 5),
    homepage="https://github.com/Jakobovski/free-spoken-digit-dataset",
)


@PROBLEMS.register
class SpeechDigits(Problem):
    """Spoken English digits to words, one at a time: the Free Spoken Digit Dataset."""

    source = DIGITS
    inputs = Audio()
    targets = Text()
    command = "to-english"
    decoded_metrics = ("wer", "cer")
    batch_size_multiplier = 0.25  # a clip takes six positions, and few clips a step are enough


@PROBLEMS.register
class SpeechDigitStrings(Problem):
    """Three to seven spoken digits in a row to words, joined from the Free Spoken Digit Dataset."""

    source = JoinedClips(DIGITS, name="speech_digit_strings")
    inputs = Audio()
    targets = Text()
    command = "to-english"
    decoded_metrics = ("wer", "cer")
