"""WSJ0 and WSJ1 in a tree like that of the LDC's discs: indices, SPHERE files and detailed transcripts."""

import numpy as np
import pytest

from t2t_mm.data.features.audio_file import decode_audio
from t2t_mm.data.sources.wsj_speech import WsjSpeech
from t2t_mm.data.sources.wsj_transcripts import by_utterance, normalised, prompted
from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, TEST, TRAIN

WSJ = WsjSpeech("wsj", homepage="example.org/ldc")
INDICES = {
    "11-13.1/wsj0/doc/indices/train/tr_s_wv1.ndx": (
        ";; File: tr_s_wv1.ndx, updated 04/26/94\n;;\n"
        "11_1_1:wsj0/si_tr_s/01i/01ic0202.wv1\n11_1_1:wsj0/si_tr_s/01i/01ic0201.wv1\n"
        "11_2_1:wsj0/si_tr_s/401/401c0201.wv1\n"
    ),
    "11-13.1/wsj0/doc/indices/test/nvp/si_et_20.ndx": "11_14_1:wsj0/si_et_20/440/440c0401\n",
    "13-34.1/wsj1/doc/indices/si_tr_s.ndx": "13_1_1: wsj1/si_tr_s/46g/46gc0301.wv1\n13_1_1: wsj1/si_tr_s/gone.wv1\n",
    "13-34.1/wsj1/doc/indices/h1_p0.ndx": "13_16_1: wsj1/si_dt_20/4k0/4k0c0301.wv1\n",
}
SOUNDS = {  # by utterance
    "01ic0201": "11-1.1/wsj0/si_tr_s/01i/01ic0201.wv1",
    "01ic0202": "11-1.1/wsj0/si_tr_s/01i/01ic0202.wv1",
    "401c0201": "11-2.1/wsj0/si_tr_s/401/401c0201.wv1",
    "440c0401": "11-14.1/wsj0/si_et_20/440/440c0401.wv1",
    "46gc0301": "13-1.1/wsj1/si_tr_s/46g/46gc0301.wv1",
    "4k0c0301": "13-16.1/WSJ1/SI_DT_20/4K0/4K0C0301.WV1",  # a disc whose names are in capitals
}
TRANSCRIPTS = {
    "11-4.1/wsj0/transcrp/dots/si_tr_s/01i/01ic0200.dot": (
        "The female ,COMMA I\\. B\\. M\\. [loud_breath] says . (01ic0201)\n[<slam] It's <and> --DASH ~ (01ic0202)\n"
    ),
    "11-14.1/wsj0/si_et_20/440/440c0400.dot": "Two point .POINT five %PERCENT (440c0401)\n",
    "13-34.1/wsj1/trans/wsj1/si_tr_s/46g/46gc0300.ptx": '"Yes," he said; (46gc0301 46g.nvp.87.0301)\n',
    "13-16.1/WSJ1/SI_DT_20/4K0/4K0C0300.DOT": "Of course there isn\\'t [misc_noise] (4k0c0301)\n",
}


def sphere_file(value):
    fields = "channel_count -i 1\nsample_count -i 400\nsample_rate -i 16000\nsample_n_bytes -i 2\n"
    coding = "sample_byte_format -s2 01\nsample_sig_bits -i 16\nsample_coding -s3 pcm\nend_head\n"
    return f"NIST_1A\n   1024\n{fields}{coding}".encode().ljust(1024) + np.full(400, value, "<i2").tobytes()


@pytest.fixture
def discs(tmp_path):
    files = {name: text.encode() for name, text in {**INDICES, **TRANSCRIPTS}.items()}
    files |= {name: sphere_file(number) for number, name in enumerate(SOUNDS.values())}
    for name, content in files.items():
        path = tmp_path / "wsj" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path


def read(split, tmp_path):
    return {e.id: e.values["targets"] for e in WSJ.examples(split, tmp_path)}


def test_the_lists_are_those_of_kaldi(discs):
    assert WSJ.present(discs) and WSJ.splits(discs) == (TRAIN, DEV, TEST)
    assert read(TRAIN, discs) == {  # in the order of their utterances; without speaker 401
        "01ic0201": "THE FEMALE ,COMMA I. B. M. <NOISE> SAYS",
        "01ic0202": "IT'S AND -DASH",
        "46gc0301": "YES HE SAID",  # there is no .dot file
    }
    assert read(DEV, discs) == {"4k0c0301": "OF COURSE THERE ISN'T <NOISE>"}
    assert read(TEST, discs) == {"440c0401": "TWO POINT POINT FIVE PERCENT"}


def test_the_audio_files_are_their_utterances(discs):
    audio = {e.id: decode_audio(e.values["inputs"]) for split in (TRAIN, DEV, TEST) for e in WSJ.examples(split, discs)}
    for number, utterance in enumerate(SOUNDS):
        if utterance != "401c0201":
            assert audio[utterance].tolist() == [number] * 400


def test_what_is_missing_is_counted(discs):
    assert WSJ.notes(discs) == (
        f"{discs / 'wsj'}: 3 of the 37,416 utterances of train are present.",
        f"{discs / 'wsj'}: 1 of the 503 utterances of dev are present.",
        f"{discs / 'wsj'}: 1 of the 333 utterances of test are present.",
    )


def test_all_discs_in_one_folder_are_read_alike(discs):
    expected = [read(split, discs) for split in (TRAIN, DEV, TEST)]
    one_folder = discs / "together"
    for path in sorted((discs / "wsj").rglob("*")):
        if path.is_file():
            target = one_folder / "LDC" / path.relative_to(discs / "wsj").as_posix().split("/", 1)[1]
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)
    source = WsjSpeech("together")
    assert [
        {e.id: e.values["targets"] for e in source.examples(split, discs)} for split in (TRAIN, DEV, TEST)
    ] == expected


def test_an_utterance_without_transcript_says_nothing(discs):
    (discs / "wsj" / "13-34.1/wsj1/trans/wsj1/si_tr_s/46g/46gc0300.ptx").unlink()
    assert read(TRAIN, discs)["46gc0301"] == ""


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        ([name for name in INDICES if "h1_p0" in name], "lacks wsj1/doc/indices/h1_p0.ndx"),
        ([name for name in INDICES if "si_tr_s" in name], "lacks wsj1/doc/indices/si_tr_s.ndx"),
        ([SOUNDS["4k0c0301"]], "has none of the audio files"),
        (TRANSCRIPTS, "holds no transcripts"),
    ],
)
def test_half_a_corpus_is_refused_with_what_is_missing_and_where_to_get_it(discs, gone, message):
    for name in gone:
        (discs / "wsj" / name).unlink()
    with pytest.raises(UserError, match=message) as refusal:
        WSJ.splits(discs)
    assert "11-1.1/wsj0/" in str(refusal.value) and "example.org/ldc" in str(refusal.value)


def test_a_line_that_is_no_transcript_or_no_entry_is_named(discs):
    dot = discs / "wsj" / "11-14.1/wsj0/si_et_20/440/440c0400.dot"
    dot.write_text("Two (440c0401)\nThree\n")
    with pytest.raises(UserError, match="440c0400.dot, line 2: expected words and"):
        list(WSJ.examples(TEST, discs))
    (discs / "wsj" / "13-34.1/wsj1/doc/indices/h1_p0.ndx").write_text("4k0c0301\n")
    with pytest.raises(UserError, match="h1_p0.ndx, line 1: expected <disc>:<file>"):
        WSJ.splits(discs)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("a [phone_ring/] b [/phone_ring] c", "A B C"),
        ("[door_slam>] a [cross_talk] . b ~", "A <NOISE> B"),
        ("isn\\'t \\(sic\\)", "ISN'T (SIC)"),
        ("fifty %percent .point --dash", "FIFTY PERCENT POINT -DASH"),
        ("", ""),
    ],
)
def test_transcripts_are_normalised_as_kaldi_does(written, words):
    assert normalised(written) == words


def test_a_prompt_loses_its_punctuation():
    assert prompted('Mr. Smith\'s "buy-out" -- at $3.5, he said; (no)') == "MR SMITH'S BUY-OUT AT $3.5 HE SAID NO"


def test_the_first_file_that_names_an_utterance_counts(tmp_path):
    (tmp_path / "a.dot").write_text("one (01IC0201)\n\n")
    (tmp_path / "b.dot").write_text("two (01ic0201)\nthree (01ic0202)\n")
    assert by_utterance([tmp_path / "a.dot", tmp_path / "b.dot"]) == {"01ic0201": "one", "01ic0202": "three"}
