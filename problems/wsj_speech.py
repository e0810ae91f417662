"""The Wall Street Journal read aloud: WSJ0 and WSJ1, the corpus of arXiv 1706.05137 for speech.

What: sentences of the newspaper read by several hundred people, at 16 kHz (Paul and Baker 1992), and their
    transcripts, in capitals, as Kaldi writes them: spoken punctuation (`,COMMA`), `<NOISE>` for a separate noise.
Splits: Kaldi's. si284 trains (WSJ0's 84 speakers but one, and WSJ1's 200), dev93 is dev (h1_p0, 503), eval92 is test
    (the 20,000-word set without spoken punctuation, 333).
Size: train 37,416 utterances, 81 hours; dev 503, test 333.
Layout: `wsj/` below --tmp_dir, and in it the LDC's discs as they come, `11-1.1/wsj0/...` to `13-34.1/wsj1/...`, or
    the folders `wsj0/` and `wsj1/` with all discs in one. Needed are the indices in `doc/indices/` (on the discs
    11-13.1 and 13-34.1), the .wv1 files and the .dot files; .ptx, what was to be read, serves where a .dot file lacks a
    line.
Licence: LDC (LDC93S6A or LDC93S6B, and LDC94S13A or LDC94S13B).
Quirks: on the discs, audio clips are compressed by shorten: sph2pipe or ffmpeg must be on the PATH, or the files be
    converted before. No real file of this kind was available when this was written. Kaldi tests with a language model
    of 20,000 words; here there is none.
"""

from t2t_mm.data.features.audio import Audio
from t2t_mm.data.features.text import Text
from t2t_mm.data.sources.wsj_speech import WsjSpeech
from t2t_mm.problem import Problem
from t2t_mm.registry import PROBLEMS


@PROBLEMS.register
class SpeechWsj(Problem):
    """Newspaper sentences read aloud to their text: WSJ0 and WSJ1, si284."""

    source = WsjSpeech(
        "wsj",
        homepage="the LDC: LDC93S6A (WSJ0) and LDC94S13A (WSJ1), https://catalog.ldc.upenn.edu",
    )
    inputs = Audio()
    targets = Text()
    command = "to-english"
    decoded_metrics = ("wer", "cer")
