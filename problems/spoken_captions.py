"""Spoken captions of Flickr8k: one caption an image, read aloud.

What: the first caption of each of 900 images of Flickr8k, read by one synthetic English voice, and its text.
Splits: every tenth, by hash of the id, is dev. The ids are those of the images, so the dev images are those of
    image_captions_flickr8k.
Size: 900 audio clips, 63 minutes.
Layout, below --tmp_dir: `spoken_captions/transcripts.tsv` (no header; on each line an id, a tab and the transcript) and
    `spoken_captions/audio/<id>.ogg`, or .wav, .flac or .mp3. Any corpus of that layout can be put there.
Licence: none stated.
Quirks: one voice, no noise: results on it say little about real speech. Transcripts are tokenised in part, as
    Flickr8k is.
"""

from t2t_mm.data.features.audio import Audio
from t2t_mm.data.features.text import Text
from t2t_mm.data.sources.transcribed_audio import TranscribedAudio
from t2t_mm.problem import Problem
from t2t_mm.registry import PROBLEMS


@PROBLEMS.register
class SpeechCaptions(Problem):
    """Captions of Flickr8k read aloud to their text."""

    source = TranscribedAudio("spoken_captions", homepage="https://github.com/quantumnaan/sic_translator")
    inputs = Audio()
    targets = Text()
    command = "to-english"
    decoded_metrics = ("wer", "cer")
