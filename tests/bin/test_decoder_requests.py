import io
import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image as Pillow

from t2t_mm.bin.decoder_requests import KIND_OF, MOST_BYTES, RequestReader, fingerprint, from_json, lines_of
from t2t_mm.data.features import audio_file
from t2t_mm.data.features.audio import Audio
from t2t_mm.data.features.image import Image
from t2t_mm.data.features.label import LabelCodec
from t2t_mm.data.features.text import TextCodec
from t2t_mm.data.vocabulary import Vocabulary
from t2t_mm.decoding.answers import Failure
from t2t_mm.decoding.decoder import Decoder
from t2t_mm.hparam_set import DataHparams


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("vocabulary") / "vocab.model"
    Vocabulary.train(path, ["the dog sleeps", "a cat sees the dog"], 1000, ())
    return TextCodec("subwords", Vocabulary.load(path))


@pytest.fixture
def folder(tmp_path):
    """Make a folder of an image and an audio file, one of them with a capital suffix."""
    Pillow.new("RGB", (4, 4)).save(tmp_path / "blue.png")
    (tmp_path / "HALLO.WAV").write_bytes(audio_file.as_wav(np.arange(800, dtype=np.int16)))
    return tmp_path


@pytest.fixture
def reader(text, folder):
    """Make readers of requests to a run that translates, parses, classifies images and recognises speech."""
    label = LabelCodec("size", ("small", "large"))
    codecs = {
        "translate": {"inputs": text, "targets": text},
        "parse": {"inputs": text, "targets": text},
        "name": {"inputs": Image().open(folder), "targets": label},
        "hear": {"inputs": Audio().open(folder), "targets": text},
        "write": {"targets": text},
    }
    net = SimpleNamespace(longest=None, generates=lambda problem: problem != "name")
    decoder = Decoder(net, codecs, DataHparams(max_length=40), dict.fromkeys(codecs, 1.0))
    return lambda problem=None: RequestReader(decoder, problem, folder, "Choose one.")


def reason(request):
    assert isinstance(request.item, Failure)
    return request.item.reason


def test_a_path_goes_to_the_one_problem_that_reads_what_it_names(reader, folder):
    image, audio = (reader().read(number, line) for number, line in enumerate([b" blue.png ", b"HALLO.WAV"], start=4))
    assert (image.number, image.problem, image.inputs) == (4, "name", " blue.png ")
    assert image.item.stored == (folder / "blue.png").read_bytes()
    assert (audio.problem, audio.item.length) == ("hear", 5)  # 50 ms
    assert "missing.png can't be read" in reason(reader().read(1, b"missing.png"))


def test_a_line_that_several_or_no_problems_could_answer_says_which(reader):
    assert reason(reader().read(1, b"the dog sleeps")) == "2 problems read text: parse, translate. Choose one."
    deaf = reader()
    del deaf.decoder.codecs["hear"]
    expected = "No problem of the run reads audio; it learnt translate, parse, name, write."
    assert reason(deaf.read(1, b"HALLO.WAV")) == expected
    del deaf.decoder.codecs["parse"]
    assert deaf.read(1, b"the dog sleeps").problem == "translate"


def test_a_named_problem_reads_every_plain_line(reader):
    request = reader("translate").read(1, b"see blue.png")
    assert (request.problem, request.item.source) == ("translate", "see blue.png")


def test_a_language_model_takes_beginnings_blanks_and_empty_lines(reader):
    beginning, blank, nothing = (reader("write").read(1, line) for line in (b"the dog", b"  ", b""))
    assert (beginning.item.source, beginning.item.length) == (
        "the dog",
        reader("translate").read(1, b"the dog").item.length - 1,
    )
    assert blank.item.source == "  " and (nothing.item.stored, nothing.item.length) == (b"", 0)
    assert reader().read(1, b'{"problem": "write", "inputs": ""}').item.length == 0
    assert "lengths up to 40 ids. Give only its end." in reason(reader("write").read(1, b"dog " * 60))


def test_a_text_that_no_problem_reads_is_continued(reader):
    alone = reader()
    for name in ("translate", "parse"):
        del alone.decoder.codecs[name]
    assert alone.read(1, b"the dog").problem == alone.read(1, b"").problem == "write"
    assert alone.read(1, b"blue.png").problem == "name"
    alone.decoder.codecs["tell"] = alone.decoder.codecs["write"]
    assert reason(alone.read(1, b"the dog")) == "2 problems continue texts: tell, write. Choose one."


def test_json_names_its_problem_and_keeps_further_keys(reader):
    line = {"id": 7, "inputs": "blue.png", "problem": "name", "tags": ["a", None, 1.5]}
    request = reader("translate").read(1, json.dumps(line).encode())
    assert (request.problem, request.inputs) == ("name", "blue.png")
    assert request.others == {"id": 7, "tags": ["a", None, 1.5]}
    routed = reader().read(2, b'{"inputs": "HALLO.WAV"}')
    assert routed.problem == "hear"
    assert reader("parse").read(2, b' {"inputs": "the dog", "problem": null}').problem == "parse"


@pytest.mark.parametrize(
    "line, sentence",
    [
        (b'{"inputs": "the dog", "problem": "translat"}', "'translat'. Did you mean 'translate'?"),
        (b'{"inputs": "the dog"', "The line begins like a JSON request, but is not valid: Expecting ',' delimiter"),
        (b'{"inputs": "the dog", "x": NaN}', "not JSON compliant"),
        (b'{"inputs": "the dog", "x": "\\ud800"}', "surrogates not allowed"),
        (b'{"inputs": ' + b"[" * 100_000, "The line begins like a JSON request, but is not valid"),
        (b'{"problem": "translate", "input": "the dog"}', 'names a problem, but has no "inputs"'),
        (b'{"inputs": ["the dog"]}', '"inputs" must be a text or a path. Received: ["the dog"].'),
        (b'{"inputs": "the dog", "problem": 3}', '"problem" must be the name of a problem. Received: 3.'),
        (b'{"inputs": " "}', "The input is empty."),
        (b"   ", "The input is empty."),
        (b"caf\xe9 au lait", "The line is not UTF-8 text: invalid continuation byte at byte 4."),
        (b"a" * (MOST_BYTES + 1), "The line has more than 1,000,000 bytes"),
        (b'{"inputs": "blue\\u0000.png"}', "can't be read"),
        (b'{"problem": "parse", "inputs": "' + b"dog " * 60 + b'"}', "lengths up to 40 ids"),
    ],
)
def test_a_bad_line_is_a_request_with_a_reason(reader, line, sentence):
    assert sentence in reason(reader().read(1, line))


def test_braces_alone_do_not_make_a_json_request():
    for text in ("{a}", '{"a": 1}', "{", '["inputs"]', "(S (NP the) {inputs})", '{"a" "inputs'):
        assert from_json(text) is None


def test_lines_lose_their_ends_and_the_byte_order_mark_and_no_line_fills_the_memory():
    assert list(lines_of(io.BytesIO(b"\xef\xbb\xbfa\r\n\n\xef\xbb\xbfb\nc"))) == [b"a", b"", b"\xef\xbb\xbfb", b"c"]
    assert list(lines_of(io.BytesIO(b""))) == []
    long, after = lines_of(io.BytesIO(b"a" * (3 * MOST_BYTES + 7) + b"\nb\n"))
    assert len(long) == MOST_BYTES + 1 and after == b"b"
    longest, after = lines_of(io.BytesIO(b"a" * MOST_BYTES + b"\nb"))
    assert len(longest) == MOST_BYTES and after == b"b"


def test_a_fingerprint_covers_requests_and_the_files_that_they_name(reader, folder):
    def digest(*lines, problem=None):
        return fingerprint([reader(problem).read(number, line) for number, line in enumerate(lines, start=1)])

    first = digest(b"blue.png", b"missing.png")
    assert digest(b"blue.png", b"missing.png") == first
    others = {
        digest(b"blue.png"),
        digest(b"missing.png", b"blue.png"),
        digest(b'{"inputs": "blue.png"}', b"missing.png"),
    }
    others |= {digest(b'{"inputs": "blue.png", "id": 1}', b"missing.png"), digest(b"x", problem="parse")}
    assert digest(b"x", problem="translate") not in others
    assert first in others and len(others) == 5  # JSON that says the same is the same
    Pillow.new("RGB", (4, 5)).save(folder / "missing.png")
    assert digest(b"blue.png", b"missing.png") not in others


def test_every_suffix_of_an_audio_file_is_known():
    assert all(KIND_OF[suffix] == "audio" for suffix in audio_file.SUFFIXES)
