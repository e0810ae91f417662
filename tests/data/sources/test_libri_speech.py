"""LibriSpeech in the folders that OpenSLR's archives unpack to."""

import io

import numpy as np
import pytest
import soundfile

from t2t_mm.data.features.audio_file import decode_audio
from t2t_mm.data.sources.libri_speech import LibriSpeech
from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, TEST, TRAIN

LIBRI = LibriSpeech("LibriSpeech", homepage="example.org/12")
PARTS = {
    "train-clean-100": ("19-198", "103-1240"),
    "train-other-500": ("20-205",),
    "dev-clean": ("84-121123",),
    "dev-other": ("116-288045",),
    "test-clean": ("61-70968",),
}


def flac(value):
    file = io.BytesIO()
    soundfile.write(file, np.full(320, value, np.int16), 16000, format="FLAC")
    return file.getvalue()


@pytest.fixture
def corpus(tmp_path):
    for part, chapters in PARTS.items():
        for chapter in chapters:
            folder = tmp_path / "LibriSpeech" / part / chapter.replace("-", "/")
            folder.mkdir(parents=True)
            lines = [f"{chapter}-000{number} HE SAID {number}\n" for number in (1, 0)]
            (folder / f"{chapter}.trans.txt").write_text("".join(lines))
            for number in (0, 1):
                (folder / f"{chapter}-000{number}.flac").write_bytes(flac(100 + number))
    (tmp_path / "LibriSpeech" / "SPEAKERS.TXT").write_text("; about the speakers\n")
    return tmp_path


def test_utterances_are_read_with_their_words(corpus):
    assert LIBRI.present(corpus) and LIBRI.splits(corpus) == (TRAIN, DEV, TEST)
    examples = list(LIBRI.examples(TRAIN, corpus))
    assert [e.id for e in examples] == [
        *("103-1240-0001", "103-1240-0000", "19-198-0001", "19-198-0000"),  # as they stand in the transcripts
        *("20-205-0001", "20-205-0000"),
    ]
    assert examples[0].values["targets"] == "HE SAID 1"
    assert decode_audio(examples[0].values["inputs"]).tolist() == [101] * 320
    assert [e.id for e in LIBRI.examples(DEV, corpus)] == ["84-121123-0001", "84-121123-0000"]
    assert [e.id for e in LIBRI.examples(TEST, corpus)] == ["61-70968-0001", "61-70968-0000"]


def test_a_part_that_is_not_there_is_noted(corpus):
    assert LIBRI.notes(corpus) == (f"{corpus / 'LibriSpeech'} lacks train-clean-360.",)


@pytest.mark.parametrize(
    ("gone", "message"), [("train-*", "holds no train-clean-100 nor"), ("dev-clean", "no dev-clean")]
)
def test_train_and_dev_must_be_there(corpus, gone, message):
    for folder in (corpus / "LibriSpeech").glob(gone):
        folder.rename(corpus / folder.name)
    with pytest.raises(UserError, match=message) as refusal:
        LIBRI.splits(corpus)
    assert "<part>/<speaker>/<chapter>/<utterance>.flac" in str(refusal.value) and "example.org" in str(refusal.value)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("84-121123-0001.flac", None, "84-121123.trans.txt: no 84-121123-0001.flac beside it"),
        ("84-121123-0002.flac", b"", "84-121123-0002.flac has no line in 84-121123.trans.txt"),
        ("84-121123.trans.txt", None, "holds no 84-121123.trans.txt"),
        (
            "84-121123.trans.txt",
            b"84-121123-0000 A\n84-121123-0001 B\n84-121123-0000 C\n",
            "84-121123.trans.txt, line 3: 84-121123-0000 is already on line 1",
        ),
        ("84-121123.trans.txt", b"84-121123-0001\n", "line 1: expected an utterance, a blank and its words"),
        ("84-121123.trans.txt", b"84-121123-0001 K\xe4fer\n", "line 1: the byte 0xe4 is not UTF-8"),
    ],
)
def test_what_does_not_belong_together_is_refused(corpus, file, content, message):
    path = corpus / "LibriSpeech" / "dev-clean" / "84" / "121123" / file
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        list(LIBRI.examples(DEV, corpus))
