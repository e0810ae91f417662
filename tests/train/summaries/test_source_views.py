"""Views of inputs, and attention maps over them."""

import io

import numpy as np
import pytest
from PIL import Image

from t2t_mm.data.features.audio import Audio
from t2t_mm.data.features.audio_file import RATE, AudioClip
from t2t_mm.data.features.image import ImageCodec
from t2t_mm.data.features.label import LabelCodec
from t2t_mm.data.features.text import TextCodec
from t2t_mm.data.features.tree import SYMBOLS, TreeCodec
from t2t_mm.data.vocabulary import EOS, Vocabulary
from t2t_mm.hparam_set import DataHparams
from t2t_mm.train.summaries.attention_images import MAP_WIDTH, audio_map, text_map, tiles
from t2t_mm.train.summaries.source_views import AudioView, ImageView, Line, Numbered, pieces, view

HPARAMS = DataHparams(image_size=16)
WEIGHTS = np.array([[0.7, 0.1, 0.1, 0.1], [0.25, 0.25, 0.25, 0.25]])
ROWS = ["a", "b"]


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("views") / "vocabulary"
    return TextCodec("words", Vocabulary.train(path, ["the dog sees the cat", "ein Mädchen"], 400, SYMBOLS))


def same(one, other):
    np.testing.assert_array_equal(np.asarray(one.convert("RGB")), np.asarray(other.convert("RGB")))


def test_pieces_join_to_the_text_with_blanks_as_lines_and_the_end_named(text):
    for line in ("the dog sees", "dog  cat", "a Mädchen"):
        *names, end = pieces(text, np.frombuffer(text.store(line), "<i4").tolist())
        assert end == "end"
        assert "".join(names).removeprefix("_") == line.replace(" ", "_")
        assert len(names) == len(text.symbols(text.store(line))) - 1


def test_a_letter_spelt_in_bytes_is_named_at_its_last_byte(text):
    ids = text.symbols(text.store("dog 语")).tolist()
    names = pieces(text, ids)
    assert names[-2:] == ["语", "end"] and len(names) == len(ids)


def test_pieces_of_a_tree_are_its_symbols(text):
    tree = TreeCodec(text)
    ids = tree.symbols(tree.store("(S (NN dog))")).tolist()
    assert pieces(tree, ids) == ["_", "<(S>", "<NN>", "<)S>", "end"]


def test_an_end_in_the_middle_is_named_too(text):
    assert pieces(text, [EOS]) == ["end"]
    assert pieces(text, []) == []


def test_a_line_is_shown_by_its_pieces(text):
    shown = view(text, text.store("dog"), HPARAMS)
    assert isinstance(shown, Line) and shown.words == "dog" and shown.image() is None
    ids = text.symbols(text.store("dog")).tolist()
    weights_TS = np.eye(2, len(ids))
    same(shown.map(weights_TS, ROWS, "title"), text_map(weights_TS, ROWS, pieces(text, ids), "title"))
    same(shown.map(np.eye(2, 9), ROWS, "title"), text_map(np.eye(2, 9), ROWS, "123456789", "title"))


def test_an_image_is_shown_larger_as_the_net_reads_it():
    colours = np.arange(4 * 3, dtype=np.uint8).reshape(2, 2, 3) * 20
    file = io.BytesIO()
    Image.fromarray(colours.repeat(8, axis=0).repeat(8, axis=1)).save(file, "PNG")
    shown = view(ImageCodec(), file.getvalue(), HPARAMS)
    assert isinstance(shown, ImageView)
    pixels = np.asarray(shown.image())
    assert pixels.shape == (224, 224, 3)
    np.testing.assert_array_equal(pixels[56::112, 56::112], colours)
    same(shown.map(WEIGHTS, ROWS, "title"), tiles(WEIGHTS, ROWS, shown.loaded, "title"))
    numbered = text_map(WEIGHTS[:, :3], ROWS, "123", "title")  # three positions do not make a grid of squares
    same(shown.map(WEIGHTS[:, :3], ROWS, "title"), numbered)


@pytest.mark.parametrize("form", ["spectral", "waveform"])
def test_an_audio_clip_is_shown_as_a_spectrogram_whatever_the_net_reads(form, tmp_path):
    codec = Audio(form).open(tmp_path)
    samples = (np.sin(np.arange(RATE // 2) * 0.3) * 9000).astype(np.int16)
    shown = view(codec, codec.store(AudioClip(samples, RATE)), HPARAMS)
    assert isinstance(shown, AudioView) and shown.words == "an audio clip of 0.5 s"
    assert shown.image().width >= MAP_WIDTH
    spectral = Audio("spectral").open(tmp_path)
    mel_TF = spectral.load(spectral.store(AudioClip(samples, RATE)), HPARAMS, None)
    same(shown.map(WEIGHTS, ROWS, "title"), audio_map(WEIGHTS, ROWS, mel_TF, 0.5, "title"))


def test_positions_of_an_input_of_unknown_kind_are_numbered():
    codec = LabelCodec("size", ("small", "large"))
    shown = view(codec, codec.store("large"), HPARAMS)
    assert isinstance(shown, Numbered) and shown.words == "large" and shown.image() is None
    same(shown.map(WEIGHTS, ROWS, "title"), text_map(WEIGHTS, ROWS, "1234", "title"))
