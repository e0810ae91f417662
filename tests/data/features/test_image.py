"""Images as a feature."""

import io
import zlib

import numpy as np
import pytest
from PIL import Image as Pillow

from t2t_mm.data.features.image import Image, ImageCodec, jpeg_size, shift_and_mirror
from t2t_mm.errors import UserError
from t2t_mm.feature import ArraySpec
from t2t_mm.hparam_set import DataHparams

CODEC = ImageCodec()


def encoded(pixels, form="PNG", mode=None, **options):
    buffer = io.BytesIO()
    Pillow.fromarray(np.asarray(pixels, np.uint8), mode).save(buffer, form, **options)
    return buffer.getvalue()


GRADIENT_HWC = np.stack(np.broadcast_arrays(np.arange(32)[:, None] * 8, np.arange(32)[None] * 8, 7), axis=-1)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP", "WEBP"])
def test_an_image_is_stored_as_its_file(form):
    file = encoded(GRADIENT_HWC, form)
    assert CODEC.store(file) == CODEC.value(file) == file
    assert CODEC.load(file, DataHparams(image_size=16), None).shape == (16, 16, 3)


def test_an_image_of_the_right_size_is_loaded_pixel_by_pixel():
    pixels_HWC = CODEC.load(encoded(GRADIENT_HWC), DataHparams(image_size=32), None)
    np.testing.assert_array_equal(pixels_HWC, GRADIENT_HWC)
    assert pixels_HWC.dtype == np.uint8


def test_grey_and_transparent_and_palette_images_become_colour():
    grey = encoded(np.full((8, 8), 90))
    assert (CODEC.load(grey, DataHparams(image_size=8), None) == 90).all()
    clear = encoded(np.full((8, 8, 4), 255))
    assert CODEC.load(clear, DataHparams(image_size=8), None).shape == (8, 8, 3)
    buffer = io.BytesIO()
    Pillow.fromarray(GRADIENT_HWC.astype(np.uint8)).quantize(8).save(buffer, "PNG", transparency=b"\0\1\2")
    assert CODEC.load(CODEC.store(buffer.getvalue()), DataHparams(image_size=8), None).shape == (8, 8, 3)


def test_resizing_averages_and_forgets_proportions():
    halves = np.zeros((64, 16, 3))
    halves[:32] = 200
    small_HWC = CODEC.load(encoded(halves), DataHparams(image_size=4), None)
    assert small_HWC.shape == (4, 4, 3)
    assert (small_HWC[0] == 200).all() and (small_HWC[3] == 0).all()


@pytest.mark.parametrize("cut", [0, 10, 300, -200])
@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_a_cut_off_image_is_refused_saying_what_was_found(form, cut):
    noise = np.random.default_rng(0).integers(0, 255, (32, 32, 3))
    file = encoded(noise, form)[:cut]
    with pytest.raises(UserError, match=f"not a readable image: {len(file):,} bytes"):
        CODEC.store(file)


def test_a_jpeg_with_something_behind_its_end_is_whole():
    file = encoded(GRADIENT_HWC, "JPEG") + b"made by a camera"
    assert CODEC.store(file) == file


def test_other_bytes_and_other_values_are_refused():
    with pytest.raises(UserError, match="<html>"):
        CODEC.store(b"<html>404</html>")
    with pytest.raises(UserError, match="received str"):
        CODEC.store("a.jpg")


@pytest.mark.parametrize("side", [9_450, 14_000, 30_000])  # beyond ours, Pillow's warning and Pillow's error
def test_an_image_of_too_many_pixels_is_refused_unread(side):
    file = bytearray(encoded(np.zeros((1, 1, 3))))
    file[16:24] = side.to_bytes(4, "big") * 2  # a PNG's header says its size
    file[29:33] = zlib.crc32(file[12:29]).to_bytes(4, "big")
    with pytest.raises(UserError, match="more than 89 million pixels"):
        CODEC.store(bytes(file))


def test_augmentation_repeats_for_an_equal_key_and_is_off_without_one():
    file, hparams = encoded(GRADIENT_HWC), DataHparams(image_size=32)

    def load(seed, hparams=hparams):
        return CODEC.load(file, hparams, np.random.default_rng(seed))

    np.testing.assert_array_equal(load(3), load(3))
    assert any((load(seed) != load(3)).any() for seed in range(4, 8))
    np.testing.assert_array_equal(load(3, DataHparams(image_size=32, image_augment=False)), GRADIENT_HWC)


def test_augmentation_shifts_by_at_most_an_eighth_reflects_at_edges_and_mirrors():
    seen = set()
    for seed in range(200):
        moved_HWC = shift_and_mirror(GRADIENT_HWC, np.random.default_rng(seed))
        rows_H, columns_W = moved_HWC[:, 0, 0] // 8, moved_HWC[0, :, 1] // 8
        mirrored = columns_W[20] < columns_W[10]
        columns_W = columns_W[::-1] if mirrored else columns_W
        down, right = int(rows_H[16]) - 16, int(columns_W[16]) - 16
        for place, shift in ((rows_H, down), (columns_W, right)):
            extended = [4, 3, 2, 1, *range(32), 30, 29, 28, 27]
            assert place.tolist() == extended[4 + shift : 36 + shift]
        seen.add((down, right, bool(mirrored)))
    assert {down for down, _, _ in seen} == {right for _, right, _ in seen} == set(range(-4, 5))
    assert {mirrored for _, _, mirrored in seen} == {True, False}


def test_rows_without_example_are_black():
    arrays = CODEC.batch([np.full((4, 4, 3), 9, np.uint8)], rows=2, length=1)
    assert arrays["pixels"].shape == (2, 4, 4, 3) and arrays["pixels"].dtype == np.uint8
    assert (arrays["pixels"][0] == 9).all() and (arrays["pixels"][1] == 0).all()
    assert CODEC.spec(DataHparams(image_size=4)) == {"pixels": ArraySpec("uint8", (None, 4, 4, 3))}


@pytest.mark.parametrize(("size", "positions"), [(299, 361), (64, 16), (65, 25), (16, 1), (8, 1)])
def test_an_image_takes_a_body_position_for_16_x_16_pixels_rounded_up(size, positions):
    assert CODEC.positions(1, DataHparams(image_size=size)) == positions
    assert CODEC.positions(1, DataHparams(image_size=size, image_patch=1)) == size**2


def test_a_line_to_decode_names_a_file_beside_it(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(GRADIENT_HWC))
    assert CODEC.parse("a.png", tmp_path) == CODEC.parse(f" {tmp_path}/a.png\n", tmp_path) == encoded(GRADIENT_HWC)
    with pytest.raises(UserError, match=r"b\.png can't be read: No such file"):
        CODEC.parse("b.png", tmp_path)


def test_images_stand_on_no_file(tmp_path):
    assert Image().files() == ()
    assert Image().open(tmp_path).port.key == "image"


PIXELS_HWC = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)  # 5 rows of 7


def jpeg_file(**options) -> bytes:
    buffer = io.BytesIO()
    Pillow.fromarray(PIXELS_HWC).save(buffer, "JPEG", **options)
    return buffer.getvalue()


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 100}, {"comment": b"\xff\xc0" * 300}])
def test_a_jpeg_says_its_height_and_width(options):
    assert jpeg_size(jpeg_file(**options)) == (5, 7)


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
    complete = jpeg_file()
    png = io.BytesIO()
    Pillow.fromarray(PIXELS_HWC).save(png, "PNG")
    assert jpeg_size(png.getvalue()) is None
    for end in range(len(complete)):
        assert jpeg_size(complete[:end]) is None


def test_a_head_without_a_frame_or_rows_or_an_image_behind_it_says_nothing():
    assert jpeg_size(jpeg()) is None
    assert jpeg_size(jpeg(APPLICATION, APPLICATION, SCAN)) is None
    assert jpeg_size(jpeg(FRAME.replace(b"\x01\x02", b"\x00\x00"), SCAN)) is None
    assert jpeg_size(jpeg(APPLICATION, FRAME)) is None
    assert jpeg_size(jpeg(bytes(100))) is None
    assert jpeg_size(jpeg(b"\xff\xe0\x00\x00" * 9)) is None
