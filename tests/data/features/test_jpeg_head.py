import io

import numpy as np
import pytest
from PIL import Image as Pillow

from t2t_mm.data.features.jpeg_head import jpeg_size

PIXELS_HWC = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)  # 5 rows of 7


def encoded(**options) -> bytes:
    buffer = io.BytesIO()
    Pillow.fromarray(PIXELS_HWC).save(buffer, "JPEG", **options)
    return buffer.getvalue()


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 100}, {"comment": b"\xff\xc0" * 300}])
def test_a_jpeg_says_its_height_and_width(options):
    assert jpeg_size(encoded(**options)) == (5, 7)


APPLICATION = b"\xff\xe0\x00\x04ab"  # a marker, the length of what follows it, two bytes of content
FRAME = b"\xff\xc0\x00\x0b\x08\x01\x02\x03\x04\x01\x01\x11\x00"  # 8 bits, 0x0102 rows, 0x0304 columns, grey
SCAN = b"\xff\xda\x00\x08\x01\x01\x00\x00?\x00 and so on"


def jpeg(*segments: bytes) -> bytes:
    return b"\xff\xd8" + b"".join(segments) + b"\xff\xd9"


def test_the_words_of_a_head_written_out():
    assert jpeg_size(jpeg(APPLICATION, FRAME, APPLICATION, SCAN)) == (258, 772)


@pytest.mark.parametrize(
    ("place", "other"),
    [(1, 0xC3), (4, 12), (9, 2)],
    ids=["lossless", "of twelve bits", "of two components"],
)
def test_a_frame_that_few_can_read_says_nothing(place, other):
    frame = bytearray(FRAME)
    frame[place] = other
    assert jpeg_size(jpeg(APPLICATION, bytes(frame), SCAN)) is None


def test_what_is_cut_off_or_another_kind_of_file_says_nothing():
    whole = encoded()
    png = io.BytesIO()
    Pillow.fromarray(PIXELS_HWC).save(png, "PNG")
    assert jpeg_size(png.getvalue()) is None
    for end in range(len(whole)):
        assert jpeg_size(whole[:end]) is None


def test_a_head_without_a_frame_or_rows_or_a_picture_behind_it_says_nothing():
    assert jpeg_size(jpeg()) is None
    assert jpeg_size(jpeg(APPLICATION, APPLICATION, SCAN)) is None
    assert jpeg_size(jpeg(FRAME.replace(b"\x01\x02", b"\x00\x00"), SCAN)) is None
    assert jpeg_size(jpeg(APPLICATION, FRAME)) is None
    assert jpeg_size(jpeg(bytes(100))) is None
    assert jpeg_size(jpeg(b"\xff\xe0\x00\x00" * 9)) is None
