"""Images as sequences of pixels or rows."""

import io

import numpy as np
import pytest
from PIL import Image

from t2t_mm.data.features.scan import Scan, permutation
from t2t_mm.errors import UserError
from t2t_mm.hparam_set import DataHparams

PIXELS = np.arange(12, dtype=np.uint8).reshape(3, 4)


def png(pixels_HW):
    file = io.BytesIO()
    Image.fromarray(pixels_HW).save(file, "PNG")
    return file.getvalue()


def loaded(tmp_path, **settings):
    codec = Scan(3, 4, **settings).open(tmp_path)
    return codec.load(codec.store(png(PIXELS)), DataHparams(), None)


def test_pixels_come_in_raster_order_one_at_a_time_or_a_row_at_a_time(tmp_path):
    np.testing.assert_array_equal(loaded(tmp_path), np.arange(12)[:, None])
    np.testing.assert_array_equal(loaded(tmp_path, by_row=True), PIXELS)


def test_a_permuted_scan_has_every_pixel_once_and_always_in_the_same_order(tmp_path):
    permuted = loaded(tmp_path, order="shuffled")[:, 0]
    assert sorted(permuted) == list(range(12)) and list(permuted) != list(range(12))
    np.testing.assert_array_equal(permuted, permutation("shuffled", 12))
    assert list(permuted) != list(loaded(tmp_path, order="otherwise")[:, 0])


def test_the_permutation_is_one_and_is_fixed_for_good():
    order = permutation("permuted_mnist", 784)
    assert sorted(order) == list(range(784))
    assert order[:5].tolist() == [69, 208, 236, 583, 168]


def test_a_scan_comes_back_as_an_image(tmp_path):
    codec = Scan(3, 4, order="shuffled").open(tmp_path)
    stored = codec.store(png(PIXELS))
    assert codec.store(codec.value(stored)) == stored
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(codec.value(stored)))), PIXELS)


def test_a_batch_marks_its_empty_rows(tmp_path):
    codec = Scan(3, 4, by_row=True).open(tmp_path)
    batch = codec.batch([PIXELS], 2, 3)
    np.testing.assert_array_equal(batch["lengths"], [3, 0])
    assert batch["values"].shape == (2, 3, 4) and codec.spec(DataHparams())["values"].shape == (None, 3, 4)
    assert (codec.port.key, codec.port.size, codec.length(b""), codec.positions(3, DataHparams())) == (
        "scan_4",
        4,
        3,
        3,
    )


def test_an_image_of_another_size_or_none_at_all_is_refused(tmp_path):
    codec = Scan(3, 4).open(tmp_path)
    with pytest.raises(UserError, match="Expected an image of 3 x 4 pixels, received one of 4 x 3"):
        codec.store(png(PIXELS.T.copy()))
    with pytest.raises(UserError, match="not a readable image"):
        codec.store(b"no image")
