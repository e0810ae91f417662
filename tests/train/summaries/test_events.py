"""Event files, read back as TensorBoard reads them."""

import html
import io
import warnings

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util import tensor_util

from t2t_mm.train.summaries.events import EventFile, Summaries, plain


@pytest.fixture
def read_back(tmp_path):
    """Return a function that writes summaries at step 7 and reads the folder again."""

    def read(shown):
        file = EventFile(tmp_path, 0)
        file.add(7, shown)
        file.close()
        return EventAccumulator(str(tmp_path)).Reload()

    return read


def test_a_table_of_text_comes_back_for_the_text_plugin(read_back):
    events = read_back(Summaries(texts={"examples-a/card": [("input", "ein Haus"), ("output", "a house")]}))
    [event] = events.Tensors("examples-a/card")
    assert event.step == 7
    assert events.SummaryMetadata("examples-a/card").plugin_data.plugin_name == "text"
    table = tensor_util.make_ndarray(event.tensor_proto)
    assert table.tolist() == [[b"input", b"ein Haus"], [b"output", b"a house"]]


def test_images_come_back_as_pngs_of_their_size_and_colours(read_back):
    image = Image.new("RGB", (30, 20), (10, 20, 30))
    image.putpixel((4, 5), (200, 0, 0))
    [event] = read_back(Summaries(images={"a": image, "b": image.quantize(4)})).Images("a")
    assert (event.step, event.width, event.height) == (7, 30, 20)
    decoded = Image.open(io.BytesIO(event.encoded_image_string))
    assert decoded.format == "PNG"
    np.testing.assert_array_equal(np.asarray(decoded), np.asarray(image))


def test_scalars_texts_and_images_are_written_together(read_back):
    shown = Summaries({"load": 0.5}, {"card": [("a", "b")]}, {"map": Image.new("RGB", (1, 1))})
    tags = read_back(shown).Tags()
    assert (tags["scalars"], tags["tensors"], tags["images"]) == (["load"], ["card"], ["map"])


@pytest.mark.parametrize(
    "text",
    [
        "a *b* _c_ `d` **e**",
        "(S (NP <unk>) & [x](y))",
        "1. one",
        "# no heading",
        "a | b",
        "- x + y",
        "<b>bold</b> \\* ~",
    ],
)
def test_a_text_is_shown_as_it_is_whatever_it_would_mean_as_markdown(text):
    with warnings.catch_warnings(action="ignore"):
        from tensorboard.plugin_util import markdown_to_safe_html
    shown = html.unescape(markdown_to_safe_html(plain(text)))
    assert shown == f"<p>{text}</p>"


def test_a_text_stands_on_one_line():
    assert plain("    a\n\tb") == "a b"
