"""LibriSpeech: a thousand hours of English read aloud, from audio books in the public domain.

What: utterances of 1 to 35 seconds at 16 kHz and their transcripts, in capitals and without punctuation (Panayotov
    et al. 2015, ICASSP). The most widely used free corpus of speech.
Splits: train-clean-100, train-clean-360 and train-other-500 train, or those of them that exist; dev-clean is dev
    and test-clean test. No speaker is in two of these. dev-other and test-other are not read.
Size: train 28,539, 104,014 and 148,688 utterances (100, 363 and 496 hours); dev 2,703, test 2,620.
Layout, below --tmp_dir, the first that is there: `LibriSpeech/`, as OpenSLR's archives unpack, with
    `dev-clean/<speaker>/<chapter>/<utterance>.flac` and so on; the TFDS data set `librispeech/default` in
    `tensorflow_datasets/`, which --generate_data and t2t-mm-datagen download: 61 GB, which become 300 GB and need pydub
    and ffmpeg; or `librispeech/lazy_decode`, if tensorflow_io is installed. The archives are the easier way.
Licence: CC BY 4.0.
Quirks: numbers and abbreviations are spelt out; the books and their vocabulary are from before 1923.
"""

from t2t_mm.data.features.audio import Audio
from t2t_mm.data.features.text import Text
from t2t_mm.data.sources.first_present import FirstPresent
from t2t_mm.data.sources.libri_speech import LibriSpeech
from t2t_mm.data.sources.tfds import Encoded, Line, Samples, Tfds
from t2t_mm.problem import Problem
from t2t_mm.registry import PROBLEMS

TRAIN_PARTS = "train_clean100+train_clean360+train_other500"
DOWNLOAD = 61_357_943_031


@PROBLEMS.register
class SpeechLibrispeech(Problem):
    """English read aloud to its text: LibriSpeech, 960 hours."""

    source = FirstPresent(
        LibriSpeech("LibriSpeech", homepage="https://www.openslr.org/12"),
        Tfds(
            "librispeech/default",
            inputs=Samples("speech"),
            targets=Line("text"),
            train=TRAIN_PARTS,
            dev="dev_clean",
            test="test_clean",
            name="id",
            download=DOWNLOAD,
            modules=("pydub",),
            programs=("ffmpeg",),
        ),
        Tfds(
            "librispeech/lazy_decode",
            inputs=Encoded("speech"),
            targets=Line("text"),
            train=TRAIN_PARTS,
            dev="dev_clean",
            test="test_clean",
            name="id",
            download=DOWNLOAD,
            modules=("tensorflow_io",),
        ),
    )
    inputs = Audio()
    targets = Text()
    command = "to-english"
    decoded_metrics = ("wer", "cer")
